//go:build cluster || realnode

package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// gatewayModule is the module that pins the version of the Gateway API.
var gatewayModule = filepath.Join("..", "..", "sandbox", "gatewayapi")

// gatewayAPI installs kinds of the Gateway API, from the files of its own module: `gatewayapi httproutes…`.
func gatewayAPI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gatewayapi KINDS…")
	}
	download := exec.Command("go", "mod", "download", "-json", "sigs.k8s.io/gateway-api")
	download.Dir = gatewayModule
	out, err := download.Output()
	ts.Check(err)
	var module struct{ Dir string }
	ts.Check(json.Unmarshal(out, &module))
	for _, kind := range args {
		file := filepath.Join(module.Dir, "config/crd/standard/gateway.networking.k8s.io_"+kind+".yaml")
		ts.Check(ts.Exec("kubectl", "apply", "--server-side", "-f", file))
		ts.Check(ts.Exec("kubectl", "wait", "--for=condition=Established", "crd/"+kind+".gateway.networking.k8s.io"))
	}
}
