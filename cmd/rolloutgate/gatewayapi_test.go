//go:build cluster || realnode

package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// gatewayModule is the module that pins the version of the Gateway API.
var gatewayModule = filepath.Join("..", "..", "sandbox", "gatewayapi")

// gatewayAPI installs kinds of the Gateway API: `gatewayapi httproutes…`.
func gatewayAPI(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gatewayapi KINDS…")
	}
	ts.Check(installGatewayAPI(args...))
}

// installGatewayAPI installs kinds of the Gateway API, from the files of its own module.
func installGatewayAPI(kinds ...string) error {
	download := exec.Command("go", "mod", "download", "-json", "sigs.k8s.io/gateway-api")
	download.Dir = gatewayModule
	out, err := download.Output()
	if err != nil {
		return fmt.Errorf("looking for the Gateway API: %w", err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	for _, kind := range kinds {
		file := filepath.Join(module.Dir, "config/crd/standard/gateway.networking.k8s.io_"+kind+".yaml")
		for _, args := range [][]string{
			{"apply", "--server-side", "-f", file},
			{"wait", "--for=condition=Established", "crd/" + kind + ".gateway.networking.k8s.io"},
		} {
			if out, err := exec.Command("kubectl", args...).CombinedOutput(); err != nil {
				return fmt.Errorf("kubectl %s: %w: %s", args[0], err, out)
			}
		}
	}
	return nil
}
