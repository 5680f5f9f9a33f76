package diagnosis

import (
	"fmt"
	"strings"
	"testing"
)

// TestImageCode has pull errors of several runtimes and registries; the code must not depend on the wrapping, nor on
// what a repository is called.
func TestImageCode(t *testing.T) {
	for _, c := range []struct{ reason, text, image, want string }{
		{"ErrImagePull", `rpc error: code = NotFound desc = failed to pull and unpack image "r.example/web:9": failed to resolve reference "r.example/web:9": r.example/web:9: not found`, "r.example/web:9", "ImageNotFound"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:9": failed to resolve image: r.example/web:9: not found`, "r.example/web:9", "ImageNotFound"},   // containerd 2.1
		{"ErrImagePull", `rpc error: code = Unknown desc = reading manifest 9 in r.example/web: manifest unknown: manifest unknown`, "r.example/web:9", "ImageNotFound"}, // CRI-O
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: manifest for web:9 not found: manifest unknown: manifest unknown`, "web:9", "ImageNotFound"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: pull access denied for web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`, "web:9", "ImagePullDenied"},
		{"ErrImagePull", `failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=x: 403 Forbidden`, "ghcr.io/a/b:1", "ImagePullDenied"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": no match for platform in manifest: not found`, "r.example/web:1", "ImagePlatformMismatch"},
		{"ErrImagePull", `no image found in image index for architecture "arm64", variant "v8", OS "linux"`, "r.example/web:1", "ImagePlatformMismatch"},
		{"ErrImagePull", `unexpected status from HEAD request to https://registry-1.docker.io/v2/library/nginx/manifests/1: 429 Too Many Requests\ntoomanyrequests: You have reached your pull rate limit as 'somebody'`, "nginx:1", "ImageRateLimited"},
		{"ErrImagePull", `failed to do request: Head "https://r.example/v2/web/manifests/1": dial tcp: lookup r.example: no such host`, "r.example/web:1", "RegistryUnreachable"},
		{"ErrImagePull", `unexpected status from HEAD request to https://r.example/v2/web/manifests/1: 503 Service Unavailable`, "r.example/web:1", "RegistryUnreachable"},
		{"ErrImagePull", `failed to do request: Head "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, "r.example/web:1", "RegistryTls"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:1": failed to extract layer sha256:1: write /x: no space left on device`, "r.example/web:1", "ImageUnpackFailed"},
		{"SignatureValidationFailed", `SignatureValidationFailed: Source image rejected: none of the signatures were accepted`, "r.example/web:1", "ImageSignatureRejected"},
		{"ErrImageNeverPull", `Container image "r.example/web:1" is not present with pull policy of Never`, "r.example/web:1", "ImageNeverPull"},
		{"InvalidImageName", `Failed to apply default image tag "R/Web": couldn't parse image name`, "R/Web", "ImageNameInvalid"},
		{"ErrImagePull", `something new`, "r.example/web:1", "ImagePullFailed"},
		// containerd's transfer service (2.1 and later) and its resolver (1.x, 2.0), as clusters reported them.
		{"ImagePullBackOff", `Back-off pulling image "registry.acme.io/payments/api:1.8.3": ErrImagePull: failed to pull and unpack image "registry.acme.io/payments/api:1.8.3": failed to resolve reference "registry.acme.io/payments/api:1.8.3": unexpected status from HEAD request to https://registry.acme.io/v2/payments/api/manifests/1.8.3: 401 Unauthorized`, "registry.acme.io/payments/api:1.8.3", "ImagePullDenied"},
		{"ErrImagePull", `failed to pull and unpack image "docker.io/scylladb/scylla:2025.1.5": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/scylladb/scylla/manifests/sha256:1: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit as 'somebody'`, "scylladb/scylla:2025.1.5", "ImageRateLimited"},
		{"ErrImagePull", `rpc error: code = Unknown desc = failed to pull and unpack image "r.example/a/b:1": failed to resolve reference "r.example/a/b:1": unexpected EOF`, "r.example/a/b:1", "RegistryUnreachable"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:1": image verifier bindir blocked pull of r.example/web:1 with digest sha256:7b9a for reason: verifier cosign-verifier rejected image (exit code 1): REJECTED: no signatures found`, "r.example/web:1", "ImageSignatureRejected"},
		{"ErrImagePull", `blocking pull of r.example/web:1 with digest sha256:7b9a: image verifier bindir returned error: exec: timeout`, "r.example/web:1", "ImageSignatureRejected"},
		// CRI-O, which tries an artifact when the image does not come and repeats its words.
		{"ErrImagePull", `unable to pull image or OCI artifact: pull image err: initializing source docker://sispl-web:2.2.0.10: reading manifest 2.2.0.10 in docker.io/library/sispl-web: requested access to the resource is denied; artifact err: get manifest: build image source: reading manifest 2.2.0.10 in docker.io/library/sispl-web: requested access to the resource is denied`, "sispl-web:2.2.0.10", "ImagePullDenied"},
		{"ImagePullBackOff", `Back-off pulling image "rcr.example/ghcr/toxiproxy:2.12.0": ErrImagePull: unable to pull image or OCI artifact: pull image err: initializing source docker://rcr.example/ghcr/toxiproxy:2.12.0: reading manifest 2.12.0 in rcr.example/ghcr/toxiproxy: received unexpected HTTP status: 500 Internal Server Error`, "rcr.example/ghcr/toxiproxy:2.12.0", "RegistryUnreachable"},
		{"ErrImagePull", `unable to pull image or OCI artifact: pull image err: initializing source docker://rcr.example/a:1: pinging container registry rcr.example: Get "https://rcr.example/v2/": EOF`, "rcr.example/a:1", "RegistryUnreachable"},
		{"ImagePullBackOff", `Back-off pulling image "harbor.example.com/rocm/pytorch:bad-tag": ErrImagePull: initializing source docker://harbor.example.com/rocm/pytorch:bad-tag: reading manifest bad-tag in harbor.example.com/rocm/pytorch: unknown: resource not found`, "harbor.example.com/rocm/pytorch:bad-tag", "ImageNotFound"},
		{"SignatureValidationFailed", `SignatureValidationFailed: unable to pull image or OCI artifact: pull image err: copying system image from manifest list: Source image rejected: None of the signatures were accepted, reasons: cryptographic signature verification failed`, "registry.access.redhat.com/ubi9/ubi-micro:latest", "ImageSignatureRejected"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error reading manifest latest in docker.io/sonartype/nexus3: errors: denied: requested access to the resource is denied unauthorized: authentication required`, "sonartype/nexus3", "ImagePullDenied"},
		// cri-dockerd
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://gcr.io/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`, "gcr.io/a/b:1", "RegistryUnreachable"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout`, "edik/app:latest", "RegistryUnreachable"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 192.168.64.1:53: server misbehaving`, "docker.io/nginx:1.23", "RegistryUnreachable"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://47.94.92.122:8082/v2/": http: server gave HTTP response to HTTPS client`, "47.94.92.122:8082/vue:1", "RegistryTls"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get https://registry-1.docker.io/v2/library/nginx/manifests/latest: unauthorized: incorrect username or password`, "nginx", "ImagePullDenied"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit`, "redis:latest", "ImageRateLimited"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: no matching manifest for linux/arm64/v8 in the manifest list entries`, "web:1", "ImagePlatformMismatch"},
		{"ErrImagePull", `rpc error: code = Unknown desc = failed to register layer: write /usr/lib/x.so: no space left on device`, "web:1", "ImageUnpackFailed"},
		// Clouds' registries
		{"ErrImagePull", `failed to resolve reference "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1": pulling from host 1234.dkr.ecr.eu-west-1.amazonaws.com failed with status code [manifests 1]: 403 Forbidden`, "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1", "ImagePullDenied"},
		{"ErrImagePull", `failed to resolve reference "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1": unexpected status code [manifests 1]: 401 Unauthorized: no basic auth credentials`, "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1", "ImagePullDenied"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: repository with name 'web' does not exist in the registry with id '1234': name unknown`, "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1", "ImageNotFound"},
		{"ErrImagePull", `denied: Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/p/locations/l/repositories/r" (or it may not exist)`, "europe-docker.pkg.dev/p/r/web:1", "ImagePullDenied"},
		{"RegistryUnavailable", `image pull failed for r.example/web:1 because the registry is unavailable.`, "r.example/web:1", "RegistryUnreachable"},
		{"ImageInspectError", `Failed to inspect image "web:1": rpc error: code = Unknown desc = context canceled`, "web:1", "ImageInspectFailed"},
		// Names that look like errors.
		{"ErrImagePull", `failed to resolve reference "r.example/forbidden/denied:404": r.example/forbidden/denied:404: not found`, "r.example/forbidden/denied:404", "ImageNotFound"},
		{"ErrImagePull", `Head "https://r.example/v2/certificate/manifests/503": i/o timeout`, "r.example/certificate:503", "RegistryUnreachable"},
	} {
		if got := imageCode(c.reason, c.text, c.image); got != c.want {
			t.Errorf("%s\n got %s, want %s", c.text, got, c.want)
		}
	}
}

func TestParseRefusal(t *testing.T) {
	for _, c := range []struct {
		text, want string // the clauses' codes and counts
		hopeless   int
	}{
		{"0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/5 nodes are available: 1 Preemption is not helpful for scheduling, 4 No preemption victims found for incoming pod.", "1 UntoleratedTaint, 4 InsufficientResources", 1},
		{"0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 2 Insufficient memory.", "1 UntoleratedTaint, 2 InsufficientResources", 0},
		{"0/12 nodes are available: 10 node(s) didn't match Pod's node affinity/selector, 2 Too many pods. no new claims to deallocate, preemption: 0/12 nodes are available: 10 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.", "10 NodeSelectorMismatch, 2 InsufficientResources", 10},
		{"0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.", "2 VolumeTopologyConflict", 2},
		{"0/1 nodes are available: 1 Insufficient example.com/gpu. preemption: not eligible due to preemptionPolicy=Never.", "1 InsufficientResources", 0},
		{"0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.", "1 RwopInUse", 0},
		{"0/1 nodes are available: 1 node(s) had a mood.", "1 UnschedulableOther", 0},
		{`0/2 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.`, "", 2},
		{"no nodes available to schedule pods", "", 0},
		{"", "", 0},
	} {
		r := parseRefusal(c.text)
		var parts []string
		for _, cl := range r.clauses {
			parts = append(parts, fmt.Sprint(cl.nodes, " ", cl.code))
		}
		if got := strings.Join(parts, ", "); got != c.want || r.hopeless != c.hopeless {
			t.Errorf("%s\n got %q hopeless %d, want %q hopeless %d", c.text, got, r.hopeless, c.want, c.hopeless)
		}
	}
}

func FuzzParseRefusal(f *testing.F) {
	f.Add("0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/5 nodes are available: x")
	f.Add("0/0 nodes are available: , 1 x. 2 y")
	f.Fuzz(func(t *testing.T, text string) {
		r := parseRefusal(text)
		r.main()
		r.fixed()
	})
}

// TestPullWords: what is quoted is the innermost part, without what an address may be signed with.
func TestPullWords(t *testing.T) {
	for text, want := range map[string]string{
		`unable to pull image or OCI artifact: pull image err: initializing source docker://a/b:1: reading manifest 1 in docker.io/a/b: requested access to the resource is denied; artifact err: get manifest: build image source: reading manifest 1 in docker.io/a/b: requested access to the resource is denied`: "requested access to the resource is denied",
		`Back-off pulling image "a/b:1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/a/b:1": failed to resolve reference "docker.io/a/b:1": docker.io/a/b:1: not found`:                                                                                               "docker.io/a/b:1: not found",
		`unexpected status from GET request to https://r.example/v2/a/blobs/sha256:1?X-Amz-Signature=abc&x=y: 403 Forbidden`:                                                                                                                                                                                         "unexpected status from GET request to https://r.example/v2/a/blobs/sha256:1: 403 Forbidden",
		`Back-off pulling image "a/b:1"`: "no reason given",
	} {
		if got := pullWords(text); got != want {
			t.Errorf("%s\n got %q, want %q", text, got, want)
		}
	}
}

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
		if i := headline(lines); i >= 0 {
			got = message(lines[i])
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
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
