package sql

import (
	"context"
	"crypto/tls"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	mssql "github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/msdsn"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// driver is one kind of server.
type driver struct {
	port      uint16
	connector func(ctx context.Context, s settings, password string) (sqldriver.Connector, error)
	// verdict tells what the server said, and whether it refused the login or the
	// question; answered is false if the error is not the server's word.
	verdict func(error) (text string, refused, answered bool)
}

var drivers = map[string]driver{
	"postgres":  {5432, postgres, postgresVerdict},
	"mysql":     {3306, mySQL, mySQLVerdict},
	"sqlserver": {1433, sqlServer, sqlServerVerdict},
}

// encryption is what TLS there is to be; nil is none.
func (s settings) encryption() (*tls.Config, error) {
	if s.TLS == "off" {
		return nil, nil
	}
	conf := &tls.Config{ServerName: s.Addr, InsecureSkipVerify: s.TLS != "verify"} //nolint:gosec // as the module asks
	if s.CA == "" {
		return conf, nil
	}
	pool, err := sdk.Authorities(s.CA)
	if err != nil {
		return nil, err
	}
	conf.RootCAs = pool
	return conf, nil
}

// postgres sets everything that the driver would look up in the environment or in
// files of the user's.
func postgres(_ context.Context, s settings, password string) (sqldriver.Connector, error) {
	conf, err := pgx.ParseConfig("host=localhost sslmode=disable passfile=/dev/null servicefile=/dev/null")
	if err != nil {
		return nil, err
	}
	if conf.TLSConfig, err = s.encryption(); err != nil {
		return nil, err
	}
	conf.Host, conf.Port, conf.Fallbacks = s.Addr, s.Port, nil
	if s.Socket != "" {
		conf.Host, conf.TLSConfig = s.Socket, nil
	}
	conf.User, conf.Password, conf.Database = s.User, password, s.Database
	conf.RuntimeParams = map[string]string{"application_name": "orchestrator"}
	conf.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // goes through poolers, too
	return stdlib.GetConnector(*conf), nil
}

// postgresVerdict goes by the SQLSTATE: class 28 is the login, 42 a wrong question or no
// right to it (PostgreSQL, appendix A).
func postgresVerdict(err error) (string, bool, bool) {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return "", false, false
	}
	refused := strings.HasPrefix(e.Code, "28") || strings.HasPrefix(e.Code, "42") || e.Code == "3D000"
	return fmt.Sprintf("%s (%s)", e.Message, e.Code), refused, true
}

func mySQL(_ context.Context, s settings, password string) (sqldriver.Connector, error) {
	conf := mysql.NewConfig()
	conf.Net, conf.Addr = "tcp", net.JoinHostPort(s.Addr, strconv.Itoa(int(s.Port)))
	if s.Socket != "" {
		conf.Net, conf.Addr = "unix", s.Socket
	}
	conf.User, conf.Passwd, conf.DBName = s.User, password, s.Database
	conf.Logger = &mysql.NopLogger{} // its errors come back
	var err error
	if conf.TLS, err = s.encryption(); err != nil {
		return nil, err
	}
	return mysql.NewConnector(conf)
}

// mySQLRefusals are: access denied to the database and to the server, no such database,
// no such plugin for the login, syntax, no such column, no such table, no right to the
// table, to the column, to what needs a privilege, and login refused.
var mySQLRefusals = map[uint16]bool{1044: true, 1045: true, 1049: true, 1054: true, 1064: true, 1142: true, 1143: true, 1146: true, 1227: true, 1251: true, 1524: true, 1698: true}

func mySQLVerdict(err error) (string, bool, bool) {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return "", false, false
	}
	return fmt.Sprintf("%s (%d)", e.Message, e.Number), mySQLRefusals[e.Number], true
}

// sqlServer gives the driver a URL without the password, as that is the form in which it
// knows all its defaults.
func sqlServer(ctx context.Context, s settings, password string) (sqldriver.Connector, error) {
	query := url.Values{"database": {s.Database}, "app name": {"orchestrator"}, "encrypt": {"false"}, "TrustServerCertificate": {"true"}}
	switch s.TLS {
	case "on":
		query.Set("encrypt", "true")
	case "verify":
		query.Set("encrypt", "true")
		query.Set("TrustServerCertificate", "false")
		query.Set("hostNameInCertificate", s.Addr)
		if s.CA != "" {
			query.Set("certificate", s.CA)
		}
	}
	if s.Socket != "" {
		return nil, errors.New("sqlserver has no socket: use addr")
	}
	address := url.URL{Scheme: "sqlserver", User: url.User(s.User), Host: net.JoinHostPort(s.Addr, strconv.Itoa(int(s.Port))), RawQuery: query.Encode()}
	conf, err := msdsn.Parse(address.String())
	if err != nil {
		return nil, err
	}
	conf.Password = password
	connector := mssql.NewConnectorConfig(conf)
	connector.Dialer = bounded{ctx}
	return connector, nil
}

// bounded makes connections that end with a context: while it logs in, the driver of
// SQL Server does not look at its own.
type bounded struct{ ctx context.Context }

func (b bounded) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(b.ctx, func() { _ = conn.Close() })
	return conn, nil
}

// sqlServerRefusals are: login failed, wrong syntax, no such column, no such object, no
// right to the object, to the database.
var sqlServerRefusals = map[int32]bool{18456: true, 18452: true, 102: true, 156: true, 207: true, 208: true, 229: true, 916: true}

func sqlServerVerdict(err error) (string, bool, bool) {
	var e mssql.Error
	if !errors.As(err, &e) {
		return "", false, false
	}
	return fmt.Sprintf("%s (%d)", e.Message, e.Number), sqlServerRefusals[e.Number], true
}
