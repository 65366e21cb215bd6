//go:build bare || soak

package bare

import (
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/test/process"
)

// demoTime is how long "./dev demo" may take on a bare machine until its page answers: it installs Go, fetches modules and builds.
const demoTime = 12 * time.Minute

var address = regexp.MustCompile(`http://127\.0\.0\.1:\d+\S*`)

// checkDemo runs a command that is or becomes "./dev demo" until the page answers at the address that it prints, then asks it to end.
func checkDemo(t *testing.T, suite string, command ...string) *process.Process {
	t.Helper()
	p := Start(t, suite, command...)
	url := address.FindString(p.WaitLine(t, demoTime, "the page's address", address.MatchString))
	if status := get(t, url); status != http.StatusOK {
		t.Errorf("GET %s: %d", url, status)
	}
	end(t, p)
	return p
}

func get(t *testing.T, url string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	jar, err := cookiejar.New(nil) // the page keeps the address's token in a cookie
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Jar: jar}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

func end(t *testing.T, p *process.Process) {
	t.Helper()
	p.Signal(t, syscall.SIGTERM)
	if status := p.Wait(t, time.Minute); status != 0 {
		t.Errorf("exit status %d", status)
	}
}
