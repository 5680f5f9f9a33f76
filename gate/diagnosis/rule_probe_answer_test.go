package diagnosis

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// TestDecodeProbe has what the kubelets of several minors and runtimes write after "probe failed: " or "probe errored: ".
func TestDecodeProbe(t *testing.T) {
	port := intstr.FromInt32(8080)
	http := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/ready", Port: port}}}
	tcp := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}}
	grpc := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}}
	exec := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/bin/check"}}}}
	c := container{spec: corev1.Container{Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}
	for _, test := range []struct {
		probe             *corev1.Probe
		text, want, field string
	}{
		{http, `Get "http://10.1.2.3:8080/ready": dial tcp 10.1.2.3:8080: connect: connection refused`, "ConnectionRefused", "httpGet.port"},
		{tcp, `dial tcp 10.1.2.3:8080: connect: connection refused`, "ConnectionRefused", "tcpSocket.port"},
		{http, `HTTP probe failed with statuscode: 404`, "HttpNotFound", "httpGet.path"},
		{http, `HTTP probe failed with statuscode: 401`, "HttpAuth", "httpGet.path"},
		{http, `HTTP probe failed with statuscode: 403`, "HttpAuth", "httpGet.path"},
		{http, `HTTP probe failed with statuscode: 400`, "HttpBadRequest", "httpGet.scheme"},
		{http, `HTTP probe failed with statuscode: 405`, "HttpStatus", "httpGet.path"},
		{http, `HTTP probe failed with statuscode: 500`, "HttpServerError", ""},
		{http, `HTTP probe failed with statuscode: 503`, "HttpServerError", ""},
		{http, `Get "https://10.1.2.3:8080/ready": http: server gave HTTP response to HTTPS client`, "HttpBadRequest, SchemeMismatch", "httpGet.scheme"},
		{http, `Get "https://10.1.2.3:8080/ready": tls: first record does not look like a TLS handshake`, "HttpBadRequest, SchemeMismatch", "httpGet.scheme"},
		{http, `Get "http://10.1.2.3:8080/ready": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02\x02P"`, "HttpBadRequest, SchemeMismatch", "httpGet.scheme"},
		{http, `Get "http://10.1.2.3:8080/ready": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00\x06\x04\x00\x00\x00"`, "HttpBadRequest, SchemeMismatch", "httpGet.port"}, // HTTP/2
		{http, `Get "/login": stopped after 10 redirects`, "HttpRedirectLoop", "httpGet.path"},
		{http, `Get "http://10.1.2.3:8080/ready": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, "ProbeTimeout", "timeoutSeconds"},
		{http, `Get "http://10.1.2.3:8080/ready": net/http: request canceled (Client.Timeout exceeded while awaiting headers)`, "ProbeTimeout", "timeoutSeconds"}, // 1.19 and before
		{tcp, `dial tcp 10.1.2.3:8080: i/o timeout`, "NoRoute", ""},
		{http, `Get "http://10.1.2.3:8080/ready": dial tcp 10.1.2.3:8080: connect: no route to host`, "NoRoute", ""},
		{http, `Get "http://10.1.2.3:8080/ready": EOF`, "ConnectionClosed", "httpGet.port"},
		{http, `Get "http://10.1.2.3:8080/ready": read tcp 10.1.2.1:33054->10.1.2.3:8080: read: connection reset by peer`, "ConnectionClosed", "httpGet.port"},
		{http, `strconv.Atoi: parsing "web": invalid syntax`, "PortNameUnknown", "httpGet.port"},
		{grpc, `service unhealthy (responded with "NOT_SERVING")`, "GrpcNotServing", ""},
		{grpc, `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service grpc.health.v1.Health`, "GrpcUnimplemented", "grpc"},
		{grpc, `timeout: failed to connect service "10.1.2.3:8080" within 1s: context deadline exceeded`, "GrpcNotSpoken", "grpc.port"},
		{grpc, `error: health rpc probe failed: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.1.2.3:8080: connect: connection refused"`, "ConnectionRefused", "grpc.port"},
		{grpc, `error: health rpc probe failed: rpc error: code = Unavailable desc = connection error: desc = "error reading server preface: http2: frame too large"`, "GrpcNotSpoken", "grpc.port"},
		{grpc, `error: health rpc probe failed: rpc error: code = NotFound desc = unknown service`, "GrpcServiceUnknown", "grpc.service"},
		{grpc, `timeout: health rpc did not complete within 1s`, "ProbeTimeout", "timeoutSeconds"},
		{exec, `cat: /tmp/ready: No such file or directory`, "ExecFailed", "exec.command"},
		{exec, ``, "ExecFailed", "exec.command"},
		{exec, `curl: (28) Connection timed out after 1000 milliseconds`, "ExecFailed", "exec.command"},
		{exec, `/bin/sh: 1: curl: not found`, "ExecFailed, CommandNotFound", "exec.command"},
		{exec, `rpc error: code = Unknown desc = failed to exec in container: failed to start exec "0a1b2c": OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/check": stat /bin/check: no such file or directory: unknown`, "ExecFailed, CommandNotFound", "exec.command"},
		{exec, `rpc error: code = Unknown desc = failed to exec in container: failed to start exec "0a": OCI runtime exec failed: exec failed: unable to start container process: exec: "check": executable file not found in $PATH: unknown`, "ExecFailed, CommandNotFound", "exec.command"},
		{exec, `OCI runtime exec failed: exec failed: unable to start container process: exec: "/bin/check": permission denied: unknown`, "ExecFailed, CommandNotExecutable", "exec.command"},
		{exec, `command "/bin/check" timed out`, "ProbeTimeout", "timeoutSeconds"}, // 1.20 to 1.28
		{exec, `command timed out: "/bin/check" timed out after 1s`, "ProbeTimeout", "timeoutSeconds"},
		{exec, `rpc error: code = DeadlineExceeded desc = failed to exec in container: timeout 1s exceeded: context deadline exceeded`, "ProbeTimeout", "timeoutSeconds"},
		{nil, `something new`, "Other", ""},
	} {
		if got := decodeProbe(c, test.probe, test.text); got.detail != test.want || got.field != test.field {
			t.Errorf("%s\n got %s at %s, want %s at %s", test.text, got.detail, got.field, test.want, test.field)
		}
	}
}
