package attest

import (
	"fmt"
	"net"
	"strings"
)

func (k *Stack) simcom() {
	m := k.modem
	m.Handle("AT+CNACT?", func(string) string {
		if k.isActive() {
			return `+CNACT: 0,1,"10.45.0.2"` + "\nOK"
		}
		return `+CNACT: 0,0,"0.0.0.0"` + "\nOK"
	})
	m.Handle("AT+CNACT=0,1", func(string) string {
		k.activate()
		return "OK\n+APP PDP: 0,ACTIVE"
	})
	m.Handle("AT+CAOPEN=", func(rest string) string {
		f := params(rest)
		if id, ok := k.create(integer(f[0]), net.JoinHostPort(f[3], f[4])); !ok || !k.isActive() {
			return fmt.Sprintf("+CAOPEN: %d,1\nOK", id)
		}
		return "+CAOPEN: " + f[0] + ",0\nOK"
	})
	m.Handle("AT+CACLOSE=", k.shut)
	m.HandleBytes("AT+CASEND=", func(rest string) Reply {
		f := params(rest)
		return k.upload(">", integer(f[0]), integer(f[1]), "", "OK", "ERROR")
	})
	m.HandleBytes("AT+CARECV=", func(rest string) Reply {
		d, _, _, ok := k.take(integer(params(rest)[0]))
		switch {
		case !ok:
			return Reply{Chunks: framed("ERROR")}
		case d == "":
			return Reply{Chunks: framed("+CARECV: 0", "OK")}
		}
		return Reply{Chunks: []string{fmt.Sprintf("\r\n+CARECV: %d,%s\r\n\r\nOK\r\n", len(d), d)}}
	})
	k.asks()
}

// asks has names looked up as SIMCom's modules do.
func (k *Stack) asks() {
	k.modem.Handle("AT+CDNSGIP=", func(rest string) string {
		name := strings.Trim(rest, `"`)
		if a, ok := k.address(name); ok {
			return "OK\n" + `+CDNSGIP: 1,"` + name + `","` + a + `"`
		}
		return "OK\n+CDNSGIP: 0,8"
	})
}

func (k *Stack) sim7600() {
	m := k.modem
	m.Handle("AT+NETOPEN", func(rest string) string {
		switch {
		case rest == "?" && k.isActive():
			return "+NETOPEN: 1\nOK"
		case rest == "?":
			return "+NETOPEN: 0\nOK"
		case k.isActive():
			return "+IP ERROR: Network is already opened\nERROR"
		}
		k.activate()
		return "OK\n+NETOPEN: 0"
	})
	for _, command := range []string{"AT+CIPRXGET=0", "AT+CIPHEAD=1", "AT+CIPSRIP=1"} {
		m.Set(command, "OK")
	}
	m.Handle("AT+CIPOPEN=", func(rest string) string {
		f := params(rest)
		if id, ok := k.create(integer(f[0]), ""); !ok || !k.isActive() || f[1] != "UDP" || integer(f[4]) < 1 {
			return fmt.Sprintf("+CIPOPEN: %d,4\nERROR", id)
		}
		return "OK\n+CIPOPEN: " + f[0] + ",0"
	})
	m.Handle("AT+CIPCLOSE=", func(rest string) string {
		if answer := k.shut(rest); answer != "OK" {
			return "+CIPCLOSE: " + rest + ",4\nERROR"
		}
		return "OK\n+CIPCLOSE: " + rest + ",0"
	})
	m.HandleBytes("AT+CIPSEND=", func(rest string) Reply {
		f := params(rest)
		return k.upload(">", integer(f[0]), integer(f[1]), net.JoinHostPort(f[2], f[3]), fmt.Sprintf("OK\n+CIPSEND: %s,%s,%s", f[0], f[1], f[1]), "ERROR")
	})
	k.asks()
}

func (k *Stack) sim7000() {
	m := k.modem
	steps := 0 // of those that bring a connection up, in their order
	step := func(n int, answer string) func(string) string {
		return func(string) string {
			if steps != n {
				return "ERROR"
			}
			steps++
			return answer
		}
	}
	m.Handle("AT+CIPSHUT", func(string) string {
		k.drop()
		steps = 0
		return "SHUT OK"
	})
	m.Handle("AT+CIPMUX=1", step(0, "OK"))
	m.Handle(`AT+CSTT="cmnbiot"`, step(1, "OK"))
	m.Handle("AT+CIICR", step(2, "OK"))
	m.Handle("AT+CIFSR", func(string) string {
		k.activate()
		return step(3, "10.45.0.2")("")
	})
	m.Handle("AT+CIPSTART=", func(rest string) string {
		f := params(rest)
		if _, ok := k.create(integer(f[0]), net.JoinHostPort(f[2], f[3])); !ok || !k.isActive() || f[1] != "UDP" {
			return "ERROR"
		}
		return "OK\n" + f[0] + ", CONNECT OK"
	})
	m.Handle("AT+CIPCLOSE=", func(rest string) string {
		if answer := k.shut(rest); answer != "OK" {
			return answer
		}
		return rest + ", CLOSE OK"
	})
	m.HandleBytes("AT+CIPSEND=", func(rest string) Reply {
		f := params(rest)
		return k.upload("> ", integer(f[0]), integer(f[1]), "", f[0]+", SEND OK", f[0]+", SEND FAIL")
	})
	k.asks()
}
