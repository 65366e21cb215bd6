package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFollow(t *testing.T) {
	tests := []struct {
		name   string
		events string
		shown  []string
		hidden []string
		total  string
		failed bool
	}{
		{
			name: "pass",
			events: `{"Action":"run","Package":"m/p","Test":"TestA"}
{"Action":"output","Package":"m/p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"m/p","Test":"TestA"}
{"Action":"output","Package":"m/p","Output":"PASS\n"}
{"Action":"output","Package":"m/p","Output":"ok  \tm/p\t0.1s\n"}
{"Action":"pass","Package":"m/p"}`,
			shown: []string{"ok  \tm/p\t0.1s"}, hidden: []string{"chatter", "PASS"},
			total: "1 passed, 0 failed, 0 skipped\n",
		},
		{
			name: "one of two subtests fails",
			events: `{"Action":"output","Package":"m/p","Test":"TestA/x","Output":"a_test.go:3: want 1\n"}
{"Action":"fail","Package":"m/p","Test":"TestA/x"}
{"Action":"pass","Package":"m/p","Test":"TestA/y"}
{"Action":"fail","Package":"m/p","Test":"TestA"}
{"Action":"fail","Package":"m/p"}`,
			shown: []string{"want 1"}, total: "1 passed, 2 failed, 0 skipped\n", failed: true,
		},
		{
			name: "build failure counts once",
			events: `{"ImportPath":"m/p [m/p.test]","Action":"build-output","Output":"p.go:1: undefined: x\n"}
{"ImportPath":"m/p [m/p.test]","Action":"build-fail"}
{"Action":"fail","Package":"m/p","FailedBuild":"m/p [m/p.test]"}`,
			shown: []string{"undefined: x"}, total: "0 passed, 1 failed, 0 skipped\n", failed: true,
		},
		{
			name: "process ended inside a test",
			events: `{"Action":"run","Package":"m/p","Test":"TestA"}
{"Action":"output","Package":"m/p","Test":"TestA","Output":"fatal error: all goroutines are asleep\n"}
{"Action":"fail","Package":"m/p"}`,
			shown: []string{"all goroutines are asleep"}, total: "0 passed, 1 failed, 0 skipped\n", failed: true,
		},
		{
			name: "a skip keeps its reason",
			events: `{"Action":"output","Package":"m/p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"m/p","Test":"TestA","Output":"    a_test.go:9: no such board\n"}
{"Action":"output","Package":"m/p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"m/p","Test":"TestA"}
{"Action":"pass","Package":"m/p"}`,
			total: "skipped: m/p TestA: a_test.go:9: no such board\n0 passed, 0 failed, 1 skipped\n",
		},
		{
			name:   "a line that is no event is shown",
			events: "go: cannot find main module",
			shown:  []string{"cannot find main module"}, total: "0 passed, 0 failed, 0 skipped\n",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "events.json")
			var out strings.Builder
			failed, err := run(log, nil, strings.NewReader(tt.events+"\n"), &out)
			if err != nil {
				t.Fatal(err)
			}
			if failed != tt.failed {
				t.Errorf("failed = %v, want %v", failed, tt.failed)
			}
			for _, want := range tt.shown {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output %q lacks %q", out.String(), want)
				}
			}
			for _, unwanted := range tt.hidden {
				if strings.Contains(out.String(), unwanted) {
					t.Errorf("output %q has %q", out.String(), unwanted)
				}
			}
			checkTotal(t, log, tt.total, tt.failed)
		})
	}
}

// checkTotal reads the kept events again, as the total over all stages does.
func checkTotal(t *testing.T, log, want string, wantFailed bool) {
	t.Helper()
	var out strings.Builder
	failed, err := run("", []string{log}, nil, &out)
	if err != nil {
		t.Fatal(err)
	}
	got := out.String()
	if !strings.HasSuffix(got, want) || failed != wantFailed {
		t.Errorf("total = %q, failed %v; want it to end in %q, %v", got, failed, want, wantFailed)
	}
}

func TestFollowRefusesEndlessLine(t *testing.T) {
	log := filepath.Join(t.TempDir(), "events.json")
	if _, err := run(log, nil, strings.NewReader(strings.Repeat("x", maxLine+1)), &strings.Builder{}); err == nil {
		t.Error("a line over the bound was taken")
	}
	if _, err := run("", []string{filepath.Join(t.TempDir(), "none")}, nil, os.Stdout); err == nil {
		t.Error("a missing file was taken")
	}
}
