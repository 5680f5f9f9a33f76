//go:build cluster || realnode

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/jsonpath"
)

// onCluster runs the scripts of a folder against the cluster of KUBECONFIG, each in a namespace of its own, with that
// namespace as the default of its kubeconfig.
func onCluster(t *testing.T, dir string) {
	config := os.Getenv("KUBECONFIG")
	if config == "" {
		t.Fatal("KUBECONFIG is not set: run this test with `sandbox run -- go test -tags cluster`")
	}
	host, port := publishPrometheus(t)
	commands := requestCommands()
	maps.Copy(commands, sampleCommands())
	maps.Copy(commands, gatewayCommands())
	commands["exits"], commands["report"], commands["gatewayapi"] = exits, reports, gatewayAPI
	commands["receiver"], commands["received"], commands["endpoint"], commands["fields"] = receiver, received, queueEndpoint, fields
	testscript.Run(t, testscript.Params{
		Dir:  dir,
		Cmds: commands,
		Setup: func(env *testscript.Env) error {
			ns := "s-" + strings.ToLower(strings.NewReplacer("script-", "", "_", "-").Replace(filepath.Base(env.WorkDir)))
			ns += "-" + strings.ToLower(rand.Text()[:4]) // the one of an earlier run may still be going away
			path := filepath.Join(env.WorkDir, "kubeconfig")
			if err := inNamespace(config, path, ns); err != nil {
				return err
			}
			if out, err := exec.Command("kubectl", "create", "namespace", ns).CombinedOutput(); err != nil {
				return fmt.Errorf("creating namespace %s: %w: %s", ns, err, out)
			}
			env.Defer(func() {
				exec.Command("kubectl", "delete", "namespace", ns, "--wait=false").Run() // the sandbox goes away anyway
			})
			env.Setenv("KUBECONFIG", path)
			env.Setenv("NAMESPACE", ns)
			env.Setenv("PATH", os.Getenv("PATH")+":"+env.Getenv("PATH"))
			env.Setenv("PROMETHEUS", os.Getenv("ROLLOUTGATE_PROMETHEUS_URL"))
			env.Setenv("GATEWAY", os.Getenv("GATEWAY"))
			env.Setenv("HOST", host)
			env.Setenv("PORT", port)
			env.Setenv("ROLLOUTGATE_REPORT_DIR", filepath.Join(env.WorkDir, "report"))
			return nil
		},
	})
}

// publishPrometheus has the sandbox's Prometheus answer at an address of this machine that is not loopback: the API
// server takes no other for a pod's.
func publishPrometheus(t *testing.T) (host, port string) {
	target, err := url.Parse(os.Getenv("ROLLOUTGATE_PROMETHEUS_URL"))
	if err != nil || target.Host == "" {
		t.Fatal("ROLLOUTGATE_PROMETHEUS_URL is not set: run this test in a sandbox")
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.To4() == nil || !n.IP.IsGlobalUnicast() {
			continue
		}
		listener, err := net.Listen("tcp", n.IP.String()+":0")
		if err != nil {
			continue
		}
		server := &http.Server{Handler: httputil.NewSingleHostReverseProxy(target)}
		go server.Serve(listener)
		t.Cleanup(func() { server.Close() })
		host, port, _ = net.SplitHostPort(listener.Addr().String())
		return host, port
	}
	t.Fatal("this machine has no address but loopback")
	return "", ""
}

// inNamespace copies a kubeconfig with another default namespace.
func inNamespace(from, to, namespace string) error {
	config, err := clientcmd.LoadFromFile(from)
	if err != nil {
		return err
	}
	config.Contexts[config.CurrentContext].Namespace = namespace
	return clientcmd.WriteToFile(*config, to)
}

// reports compares a field of the last report with a value: `report {.findings[0].code} ImageNotFound`. With `!` the
// field must differ.
func reports(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: report JSONPATH VALUE")
	}
	var value any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("report/report.json")), &value))
	path := jsonpath.New("report").AllowMissingKeys(true)
	ts.Check(path.Parse(args[0]))
	var got bytes.Buffer
	ts.Check(path.Execute(&got, value))
	if (got.String() == args[1]) == neg {
		ts.Fatalf("report %s is %q, want %q", args[0], got.String(), args[1])
	}
}
