package config

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
