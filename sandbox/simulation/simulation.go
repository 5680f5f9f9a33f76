// Package simulation scripts kwok: nodes without machines and pods that succeed or fail as their annotations ask.
//
// It takes paths, a port and a node count, and returns kwok's configuration and command line and the Node
// objects to create. kwok knows no probes, pulls, crashes or back-off; the stages here play what a kubelet would
// report in each case, with a kubelet's own texts. Nothing in here runs a container.
package simulation

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rolloutgate/rolloutgate/sandbox/pki"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

// NodeLabel marks simulated nodes with the value "true".
const NodeLabel = prefix + "simulated"

// Config places one kwok.
type Config struct {
	Bin    string
	Data   string
	CA     *pki.Authority
	Server string // URL of the API server
	Port   int
	Nodes  int
}

func (c Config) file() string       { return filepath.Join(c.Data, "kwok.yaml") }
func (c Config) logDir() string     { return filepath.Join(c.Data, "container-logs") }
func (c Config) kubeconfig() string { return c.CA.Path("kwok.kubeconfig") }

// Prepare issues kwok's certificates and writes its configuration and the
// container logs it serves.
func (c Config) Prepare() error {
	for _, id := range []pki.Identity{
		{File: "kwok", User: "sandbox-kwok", Groups: []string{"system:masters"}},
		{File: "kwok-server", User: "sandbox-kwok", Hosts: []string{"127.0.0.1", "localhost"}},
	} {
		if err := c.CA.Issue(id); err != nil {
			return err
		}
	}
	if err := c.CA.Kubeconfig(c.kubeconfig(), c.Server, "kwok"); err != nil {
		return err
	}
	if err := writeLogs(c.logDir()); err != nil {
		return err
	}
	config, err := c.render()
	if err != nil {
		return fmt.Errorf("rendering the configuration of kwok: %w", err)
	}
	if err := os.WriteFile(c.file(), config, 0o600); err != nil {
		return fmt.Errorf("writing the configuration of kwok: %w", err)
	}
	return nil
}

// Kwok plays every simulated node. Its port answers as their kubelet.
func (c Config) Kwok() process.Spec {
	address := "127.0.0.1:" + strconv.Itoa(c.Port)
	return process.Spec{
		Name: "kwok", Path: filepath.Join(c.Bin, "kwok"), Address: "https://" + address,
		Args: []string{
			"--config=" + c.file(),
			"--kubeconfig=" + c.kubeconfig(),
			"--manage-nodes-with-annotation-selector=" + managed + "=fake",
			"--node-ip=127.0.0.1",
			"--node-port=" + strconv.Itoa(c.Port),
			"--server-address=" + address,
			"--tls-cert-file=" + c.CA.Path("kwok-server.crt"),
			"--tls-private-key-file=" + c.CA.Path("kwok-server.key"),
			"--node-lease-duration-seconds=40",
			"--enable-crds=Logs",
			"--v=warn",
		},
	}
}

// render returns one JSON document per object; kwok reads YAML, of which JSON
// is a part.
func (c Config) render() ([]byte, error) {
	objects := []object{{
		"apiVersion": "config.kwok.x-k8s.io/v1alpha1",
		"kind":       "KwokConfiguration",
		"options": object{
			"podPlayStageParallelism":         16,
			"nodePlayStageParallelism":        4,
			"nodeLeaseParallelism":            4,
			"enablePodsOnNodeSyncStreamWatch": true,
			"enableDebuggingHandlers":         true,
		},
	}}
	objects = append(objects, nodeStages()...)
	for _, s := range podStages(c.logDir()) {
		objects = append(objects, s.render())
	}
	objects = append(objects, defaultLogs(c.logDir()))
	var out []byte
	for _, o := range objects {
		data, err := json.MarshalIndent(o, "", "  ")
		if err != nil {
			return nil, err
		}
		out = append(append(out, "---\n"...), append(data, '\n')...)
	}
	return out, nil
}

// object is any Kubernetes object; kwok's own types would pull its whole
// dependency tree into this small program.
type object = map[string]any
