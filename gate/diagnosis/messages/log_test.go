package messages

import (
	"strings"
	"testing"
)

func TestHeadline(t *testing.T) {
	for name, c := range map[string]struct{ log, want string }{
		"go panic": {"starting\npanic: DATABASE_URL is not set\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:7 +0x1d\nexit status 2", "panic: DATABASE_URL is not set"},
		"python":   {"Traceback (most recent call last):\n  File \"main.py\", line 1\n    import flask\nModuleNotFoundError: No module named 'flask'", "ModuleNotFoundError: No module named 'flask'"},
		"java":     {"INFO start\nException in thread \"main\" java.lang.RuntimeException: boot\n\tat Main.main\nCaused by: java.net.UnknownHostException: db\n\tat x", "java.net.UnknownHostException: db"},
		"node":     {"node:internal/modules/cjs/loader:1080\n  throw err;\n  ^\n\nError: Cannot find module '/app/server.js'\n    at Module._resolve", "Error: Cannot find module '/app/server.js'"},
		"json":     {`{"level":"info","msg":"hi"}` + "\n" + `{"level":"fatal","msg":"cannot connect","err":"dial tcp: i/o timeout"}`, "cannot connect: dial tcp: i/o timeout"},
		"first":    {"2026-05-04T10:00:00Z INFO start\n2026-05-04T10:00:01Z ERROR bad port\n2026-05-04T10:00:01Z ERROR giving up\nbye", "ERROR bad port"},
		"klog":     {"E0504 10:00:00.000000       1 main.go:12] no kubeconfig: not found", "no kubeconfig: not found"},
		"nginx":    {"nginx: [emerg] host not found in upstream \"api\"", "nginx: [emerg] host not found in upstream \"api\""},
		"calm":     {"compiled with 0 errors\nlistening", "listening"},
		"color":    {"\x1b[31mERROR\x1b[0m it broke", "ERROR it broke"},
		"logfmt":   {"time=\"2026-05-04T10:00:00Z\" level=info msg=\"hello\"\ntime=\"2026-05-04T10:00:01Z\" level=fatal msg=\"cannot connect\" err=\"dial tcp: \\\"db\\\": i/o timeout\"", `cannot connect: dial tcp: "db": i/o timeout`},
		"pino":     {`{"level":30,"msg":"hi"}` + "\n" + `{"level":60,"err":{"type":"Error","message":"no DATABASE_URL","stack":"Error: no"},"msg":"boot"}`, "boot: no DATABASE_URL"},
		"glibc":    {"/app/server: error while loading shared libraries: libssl.so.1.1: cannot open shared object file: No such file or directory", "/app/server: error while loading shared libraries: libssl.so.1.1: cannot open shared object file: No such file or directory"},
		"postgres": {"LOG: starting\nFATAL:  data directory \"/var/lib/postgresql/data\" has wrong ownership\nHINT: the server must be started by the user that owns it", "FATAL: data directory \"/var/lib/postgresql/data\" has wrong ownership"},
		"nothing":  {"", ""},
	} {
		lines := strings.Split(c.log, "\n")
		got := ""
		if i := Headline(lines); i >= 0 {
			got = Words(lines[i])
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
