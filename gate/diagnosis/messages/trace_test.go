package messages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTraces reads what runtimes really wrote: testdata/traces has one log each, and the headline must be the line that
// says why the program failed, in whatever block of lines it stands.
func TestTraces(t *testing.T) {
	want := map[string]struct {
		words string
		block int // lines of the trace
	}{
		"cpp.txt":             {"cannot open /etc/web/web.conf", 2},
		"dotnet.txt":          {"System.Net.Sockets.SocketException (111): Connection refused", 9},
		"dotnet-services.txt": {"System.InvalidOperationException: Cannot consume scoped service 'ScopedId' from singleton 'PriceCache'.", 7},
		"go-deadlock.txt":     {"fatal error: all goroutines are asleep - deadlock!", 6},
		"go-panic.txt":        {"panic: DATABASE_URL is not set", 13},
		"go-repanic.txt":      {"panic: runtime error: invalid memory address or nil pointer dereference [recovered]", 14},
		"jvm.txt":             {"java.net.UnknownHostException: db.invalid: Name or service not known", 15},
		"node-cause.txt":      {"Error: connect ECONNREFUSED 127.0.0.1:1", 0},
		"node-module.txt":     {"Error: Cannot find module '/app/nope.js'", 10},
		"node-rejection.txt":  {"UnhandledPromiseRejection: This error originated either by throwing inside of an async function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise rejected with the reason \"no luck\".", 8},
		"php.txt":             {"PHP Fatal error: Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /app/index.php:3", 5},
		"python-during.txt":   {"ValueError: configuration is incomplete: DATABASE_URL", 15},
		"python-from.txt":     {"json.decoder.JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)", 23},
		"python-shutdown.txt": {"KeyError: 'QUEUE_URL'", 5},
		"ruby.txt":            {"/usr/local/lib/ruby/3.2.0/bundled_gems.rb:74:in `require': cannot load such file -- pg (LoadError)", 4},
		"rust.txt":            {"called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }", 3},
		"rust-backtrace.txt":  {"called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }", 12},
		"spring.txt":          {"Failed to configure a DataSource: 'url' attribute is not specified and no embedded datasource could be configured.", 0},
		"spring-trace.txt":    {"java.net.ConnectException: Connection refused", 15},
	}
	files, err := filepath.Glob("testdata/traces/*")
	if err != nil || len(files) != len(want) {
		t.Errorf("%d files, %d expected: %v", len(files), len(want), err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
		at, from, to := Block(lines)
		w := want[filepath.Base(path)]
		if got := Words(lines[at]); got != w.words {
			t.Errorf("%s: got %q, want %q", path, got, w.words)
		}
		if w.block > 0 && to-from != w.block {
			t.Errorf("%s: the block has lines %d to %d, want %d of them", path, from+1, to, w.block)
		}
	}
}

// TestTracesNearMiss has lines that look like a trace and are none.
func TestTracesNearMiss(t *testing.T) {
	for name, log := range map[string]string{
		"a word in a sentence":     "handled java.io.IOException for client 7, going on\nlistening on :8080",
		"an address":               "connected\n    at 10.0.0.1:5432 since 10:00\nready",
		"ignored at shutdown":      "bye\nException ignored in: <function x>\nTraceback (most recent call last):\n  File \"a.py\", line 1\nOSError: closed",
		"a banner":                 "***************************\nAPPLICATION STARTED\n***************************",
		"a sentence about a panic": "don't panic: all is well",
	} {
		if got := traces(strings.Split(log, "\n")); len(got) > 0 {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

// TestBurst: what ended the program was written at the end; an error long before it is another story, and of several
// that were written together the first one counts.
func TestBurst(t *testing.T) {
	calm := strings.Repeat("INFO request served\n", 12)
	for name, c := range map[string]struct{ log, want string }{
		"an old error and the last one": {"ERROR cache is unavailable, retrying\n" + calm + "ERROR cannot bind port\nbye", "ERROR cannot bind port"},
		"what follows from the first":   {calm + "ERROR cannot read config\nERROR giving up\nERROR exit", "ERROR cannot read config"},
		"a fatal line among errors":     {"ERROR a\n{\"level\":\"fatal\",\"msg\":\"no license\"}\nERROR c", "no license"},
		"a trace among errors":          {"ERROR worker failed\nTraceback (most recent call last):\n  File \"a.py\", line 1\nValueError: no\nERROR exit", "ValueError: no"},
		"an old trace and a fatal line": {"panic: handled by a supervisor\n\ngoroutine 1 [running]:\n" + calm + "FATAL: no space", "FATAL: no space"},
		"an error too long ago":         {"ERROR old\n" + strings.Repeat("served\n", 70) + "served the last", "served the last"},
		"warnings are none":             {"WARN could not find the optional file\nlistening", "listening"},
	} {
		lines := strings.Split(c.log, "\n")
		if got := Words(lines[Headline(lines)]); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// FuzzDiagnose: whatever a program writes, the headline is one of its lines and lies inside its block.
func FuzzDiagnose(f *testing.F) {
	f.Add("Traceback (most recent call last):\n  x\nThe above exception was the direct cause of\n\nTraceback (most recent call last):")
	f.Add("thread 'main' panicked at a:\nx\nAPPLICATION FAILED TO START\nDescription:\n\n\x1b[31mError: y\n    at z")
	f.Fuzz(func(t *testing.T, log string) {
		lines := strings.Split(log, "\n")
		at, from, to := Block(lines)
		if at >= 0 && (at < from || at >= to || to > len(lines)) {
			t.Errorf("headline %d is not in lines %d to %d of %d", at, from, to, len(lines))
		}
	})
}
