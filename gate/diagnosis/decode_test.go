package diagnosis

import (
	"testing"
)

func TestSplitImage(t *testing.T) {
	for image, want := range map[string]string{
		"nginx": "nginx latest", "nginx:1.27": "nginx 1.27", "r.example:5000/web": "r.example:5000/web latest",
		"r.example:5000/web:2": "r.example:5000/web 2", "web:1@sha256:abc": "web 1",
	} {
		if repository, tag := splitImage(image); repository+" "+tag != want {
			t.Errorf("%s: got %s %s, want %s", image, repository, tag, want)
		}
	}
}

func TestStartCode(t *testing.T) {
	for text, want := range map[string]string{
		`failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nope": stat /nope: no such file or directory: unknown`:  "CommandNotFound",
		`failed to create task for container: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "serve": executable file not found in $PATH: unknown`: "CommandNotFound",
		`container create failed: executable file ` + "`serve`" + ` not found in $PATH: No such file or directory`:                                                                                                       "CommandNotFound", // crun
		`OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "/app": permission denied: unknown`:                                                                                 "CommandNotExecutable",
		"container create failed: executable file `export` not found in $PATH":                                                                                                                                           "CommandNotFound",
		"container create failed: executable file `/bin/sh` not found: No such file or directory":                                                                                                                        "CommandNotFound",
		`failed to create containerd task: youki create failed: executable 'serve' not found in $PATH`:                                                                                                                   "CommandNotFound",      // youki
		`container create failed: open executable: Permission denied`:                                                                                                                                                    "CommandNotExecutable", // crun
		`exec /entrypoint.sh: no such file or directory`:                                                                                                                                                                 "CommandNotFound",      // a script without its interpreter
		`standard_init_linux.go:228: exec user process caused: no such file or directory`:                                                                                                                                "CommandNotFound",
		`exec /app/server: permission denied`: "CommandNotExecutable",
		`cannot load seccomp profile "/var/lib/kubelet/seccomp/web.json": open /var/lib/kubelet/seccomp/web.json: no such file or directory`:                              "SecurityProfileMissing",
		`error during container init: unable to apply apparmor profile: apparmor failed to apply profile: write /proc/self/attr/apparmor/exec: no such file or directory`: "SecurityProfileMissing",
		`exec: "/app": is a directory: permission denied`:                                                                                                     "CommandNotExecutable",
		`runc create failed: unable to start container process: exec /app: exec format error`:                                                                 "ExecFormatError",
		`error mounting "/var/lib/x" to rootfs at "/etc/nginx/nginx.conf": not a directory: Are you trying to mount a directory onto a file (or vice-versa)?`: "MountTargetConflict",
		`failed to generate container spec: failed to generate spec: no command specified`:                                                                    "CommandNotFound",
		`failed to reserve container name "web_web-1_shop_1_0": name "web_web-1_shop_1_0" is reserved for "abc"`:                                              "ContainerNameReserved",
		`context deadline exceeded`:                                        "RuntimeTimeout",
		`failed to generate apparmor spec opts: apparmor is not supported`: "SecurityProfileMissing",
		`unable to find user web: no matching entries in passwd file`:      "UserUnknown",
		`cannot set cgroup`: "ContainerStartFailed",
	} {
		if got := startCode("RunContainerError", text); got != want {
			t.Errorf("%s\n got %s, want %s", text, got, want)
		}
	}
}

func TestDepends(t *testing.T) {
	for text, want := range map[string]string{
		"dial tcp: lookup db.shop on 10.96.0.10:53: no such host":                                             "db.shop",
		"dial tcp 10.1.2.3:5432: connect: connection refused":                                                 "10.1.2.3:5432",
		"read tcp 10.1.2.3:41234->10.9.9.9:6379: i/o timeout":                                                 "10.9.9.9:6379",
		"Error: getaddrinfo ENOTFOUND redis":                                                                  "redis",
		`psycopg2.OperationalError: could not translate host name "db" to address: Name or service not known`: "db",
		"java.net.UnknownHostException: mysql":                                                                "mysql",
		"waiting for database at start-up":                                                                    "",
		`could not connect to server: Connection refused Is the server running on host "db.shop" (10.96.0.9) and accepting TCP/IP connections`: "db.shop",
		`nginx: [emerg] host not found in upstream "api.shop" in /etc/nginx/nginx.conf:12`:                                                     "api.shop",
		"org.postgresql.util.PSQLException: Connection to db:5432 refused. Check that the hostname and port are correct":                       "db:5432",
		`FATAL: password authentication failed for user "web"`:                                                                                 "",
		"Failed to connect to 10.96.14.2:5432":                                                                                                 "10.96.14.2:5432",
		`Can't connect to MySQL server on 'mysql.shop' (111)`:                                                                                  "mysql.shop",
	} {
		if host, ok := depends(text); !ok || host != want {
			t.Errorf("%s: got %q, %t", text, host, ok)
		}
	}
	if host, ok := depends("cannot read /etc/web/config.yaml: no such file or directory"); ok {
		t.Errorf("a missing file is no dependency (%q)", host)
	}
}
