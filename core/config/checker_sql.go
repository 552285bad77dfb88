package config

import "github.com/orchestrator-ha/orchestrator/core"

func sqlChecker() checkerKind {
	k := newChecker("sql", "A database server lets one log in and answers as expected. Needs the program orchestrator-checker-sql beside orchestrator, which comes with it. A refused login, or a question that the server does not understand, is unknown and not down. Resource sql.IDENT.", anyTime, "both", core.VerbRestart, to("5s", "3s",
		Attribute{Name: "driver", Kind: KindChoice, Values: []string{"postgres", "mysql", "sqlserver"}, Required: true, Status: Used, Doc: "Kind of the server; mysql is MariaDB, too."},
		Attribute{Name: "addr", Kind: KindHost, Default: "127.0.0.1", Status: Used, Doc: "Its address."},
		Attribute{Name: "port", Kind: KindPort, Status: Used, Doc: "Its port. Default: the usual one, 5432, 3306 or 1433."},
		Attribute{Name: "socket", Kind: KindFolder, Empty: true, Status: Used, Doc: "Whole path of its Unix socket, instead of addr and port; for postgres of the folder with the socket."},
		Attribute{Name: "database", Kind: KindText, Empty: true, Status: Used, Doc: "The database. Default: the server's choice."},
		Attribute{Name: "user", Kind: KindText, Required: true, Status: Used, Doc: "Who logs in. It needs no right but to ask the query."},
		Attribute{Name: "password_file", Kind: KindFolder, Empty: true, Status: Used, Doc: "Whole path of a file, on each node, whose first line is the password. It is read for each question, and only by the checker."},
		Attribute{Name: "tls", Kind: KindChoice, Values: []string{"off", "on", "verify"}, Default: "off", Status: Used, Doc: "on: encrypted, with any certificate; verify: with one that is good for the address."},
		Attribute{Name: "ca", Kind: KindPath, Empty: true, Status: Used, Doc: "With verify: file of the module with certificates (PEM) to trust instead of the machine's."},
		Attribute{Name: "query", Kind: KindText, Default: "SELECT 1", Status: Used, Doc: "What is asked. One row at least must come back."},
		Attribute{Name: "answer", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that the first column of the first row must match, anywhere in it: query=\"SELECT pg_is_in_recovery()\" answer=\"^false$\"."}))
	k.New, k.separate = true, true
	k.tell = (*parser).askSQL
	return k
}

// askSQL tells what a database server is asked: where the password is, and not what it is.
func (p *parser) askSQL(c *Checker, to *node) bool {
	v := to.values
	c.overNetwork(to)
	for _, name := range []string{"driver", "addr", "database", "user", "tls", "query", "answer"} {
		c.Settings[name] = v[name].text
	}
	for _, name := range []string{"socket", "password_file"} {
		if v[name].text != "" {
			c.Settings[name] = v[name].text
		}
	}
	if v["port"].set {
		c.Settings["port"] = v["port"].number
	}
	good := p.trusts(c, v["ca"])
	for _, name := range []string{"addr", "port"} {
		if v["socket"].set && v[name].set {
			p.valueProblem(idCheck, v[name], name+" and socket both say where the server is").Hint = "leave out one of them"
			good = false
		}
	}
	if v["ca"].set && v["tls"].ok && v["tls"].text != "verify" {
		p.valueProblem(idCheck, v["ca"], `ca is for tls="verify"`).Hint = `write tls="verify", or leave it out`
		good = false
	}
	return good
}
