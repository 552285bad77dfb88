package config

import "github.com/orchestrator-ha/orchestrator/core"

// Checkers of services that SafeKit asks by programs of the module only.

func httpElement() Element {
	to := to("2s", "2s",
		Attribute{Name: "url", Kind: KindText, Required: true, Status: Used, Doc: "What is asked for: http://127.0.0.1:8080/health. A redirection is not followed, it is an answer like others."},
		Attribute{Name: "method", Kind: KindChoice, Values: []string{"GET", "HEAD", "OPTIONS", "POST"}, Default: "GET", Status: Used, Doc: "How it is asked for."},
		Attribute{Name: "status", Kind: KindText, Default: "200-399", Status: Used, Doc: "Status codes that are good, with spaces between: 200 204 300-399."},
		Attribute{Name: "body", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that the first 1 MiB of the answer's body must match, anywhere in it."},
		onOff("verify", "on", Attribute{Status: Used, Doc: "Whether the server's certificate must be good for the host of the URL, or for the header Host."}),
		Attribute{Name: "ca", Kind: KindPath, Empty: true, Status: Used, Doc: "File of the module with certificates (PEM) to trust instead of the machine's: conf/ca.pem."})
	to.Children = []Element{{Name: "header", Status: Used, Key: []string{"name"}, Doc: "A header of the request. Host is also the name that a certificate must be good for.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name."},
			{Name: "value", Kind: KindText, Required: true, Status: Used, Doc: "Its value."},
		}}}
	e := checker("http", Used, "A web server answers as expected. Resource http.IDENT.", anyTime, "both", "restart", to)
	e.New = true
	return e
}

func dnsElement() Element {
	e := checker("dns", Used, "A name server answers as expected. Resource dns.IDENT.", anyTime, "both", "restart", to("2s", "2s",
		Attribute{Name: "server", Kind: KindAddress, Default: "127.0.0.1", Status: Used, Doc: "The name server."},
		Attribute{Name: "port", Kind: KindPort, Default: "53", Status: Used, Doc: "Its port. UDP is used, and TCP for an answer that does not fit."},
		Attribute{Name: "name", Kind: KindText, Required: true, Status: Used, Doc: "The whole name that is asked for; no domain is added."},
		Attribute{Name: "type", Kind: KindChoice, Values: []string{"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"}, Default: "A", Status: Used, Doc: "Kind of record."},
		Attribute{Name: "answer", Kind: KindRegex, Empty: true, Status: Used, Doc: "Regular expression that one of the records must match; without it any will do. A record is written as in a zone file, without the last dot of names: 10 mail.example.org."}))
	e.New = true
	return e
}

func sqlElement() Element {
	e := checker("sql", Used, "A database server lets one log in and answers as expected. Needs the program orchestrator-checker-sql beside orchestrator, which comes with it. A refused login, or a question that the server does not understand, is unknown and not down. Resource sql.IDENT.", anyTime, "both", "restart", to("5s", "3s",
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
	e.New = true
	return e
}

// pluginElement is for checkers that this table does not know.
func pluginElement() Element {
	e := checker("plugin", Used, "A checker that somebody else has written, orchestrator-checker-NAME beside orchestrator or in the folder plugins of its home directory. Resource NAME.IDENT.", anyTime, "both", "noaction", Element{},
		Attribute{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Name of the checker; \"orchestrator plugin list\" shows those that there are."},
		interval("10s"),
		Attribute{Name: "timeout", Kind: KindDuration, Unit: "s", Grain: "ms", Default: "5s", Min: 10, Status: Used, Doc: "How long one look may take."})
	e.New, e.Key = true, []string{"name", "ident"}
	e.Children = []Element{{Name: "set", Status: Used, Key: []string{"name"}, Doc: "A setting of the checker.",
		Attributes: []Attribute{
			{Name: "name", Kind: KindName, Required: true, Status: Used, Doc: "Its name."},
			{Name: "value", Kind: KindText, Status: Used, Doc: "Its value, if that is a text."},
			{Name: "json", Kind: KindText, Empty: true, Status: Used, Doc: "Its value in JSON, if it is a number, true or false, or a list: 90."},
		}}}
	return e
}

// splitbrainElement has the witnesses as SafeKit names them, in arg, and in elements of
// their own those that can be asked in other ways.
func splitbrainElement() Element {
	e := checker("splitbrain", Used, "Witnesses: a node that has lost its peer goes on, or becomes primary, only if it reaches one of them; else it waits. They are asked all the time, and once more when the peer is lost. Resources splitbrain.WITNESS, and splitbrain.uptodate, which is down while the peer is not heard and no witness is reached.",
		beforeAll, "pre", "wait", Element{},
		Attribute{Name: "exec", Kind: KindChoice, Values: []string{"ping"}, Default: "ping", Status: Used, Doc: "How the witnesses in arg are asked."},
		Attribute{Name: "arg", Kind: KindAddresses, Status: Used, Doc: "Addresses of witnesses, such as a router. Needed unless there is a <witness>."})
	e.Modes, e.Once = only(core.Mirror), true
	e.Children = []Element{{Name: "witness", New: true, Status: Used, Key: []string{"ident", "addr", "port", "url"},
		Doc: "A witness: an address that answers to ping, or with port one that takes TCP connections there; or the URL of a web server that answers.",
		Attributes: []Attribute{
			{Name: "ident", Kind: KindName, Status: Used, Doc: "Name of the resource. Default: the address, ADDRESS_PORT, or the host of the URL."},
			{Name: "addr", Kind: KindAddress, Status: Used, Doc: "Its address."},
			{Name: "port", Kind: KindPort, Status: Used, Doc: "Its TCP port, instead of ping."},
			{Name: "url", Kind: KindText, Empty: true, Status: Used, Doc: "What is asked for, instead of addr: https://witness.example.org/."},
			{Name: "status", Kind: KindText, Default: "100-599", Status: Used, Doc: "With url: status codes that are good, with spaces between."},
			onOff("verify", "on", Attribute{Status: Used, Doc: "With url: whether the server's certificate must be good."}),
			{Name: "ca", Kind: KindPath, Empty: true, Status: Used, Doc: "With url: file of the module with certificates (PEM) to trust instead of the machine's."},
			interval("1s"), patience("1s"),
		}}}
	return e
}
