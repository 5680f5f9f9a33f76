package instance

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rolloutgate/rolloutgate/sandbox/node"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

// Two components are this very program, called as `component NAME ...` with the
// flags below: Up returns, but they must live on.
const (
	TrafficComponent = "traffic"
	NodeComponent    = "node"
)

// traffic serves the metrics of simulated pods.
func (b *boot) traffic() (process.Spec, error) {
	self, err := os.Executable()
	if err != nil {
		return process.Spec{}, fmt.Errorf("finding this program: %w", err)
	}
	address := "127.0.0.1:" + strconv.Itoa(b.state.Ports.Traffic)
	return process.Spec{
		Name: TrafficComponent, Path: self, Address: "http://" + address,
		Args: []string{
			"component", TrafficComponent,
			"--certificates=" + b.control.CA.Dir,
			"--api=" + b.control.Server(),
			"--listen=" + address,
		},
	}, nil
}

const realNodeName = "real-1"

// startRealNode joins a real kubelet. Next to simulated nodes it is tainted, so
// that it only gets the pods that ask for it.
func (b *boot) startRealNode() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding this program: %w", err)
	}
	ca := b.control.CA
	if err := ca.Issue(pki.Identity{File: "node", User: "system:node:" + realNodeName, Groups: []string{"system:nodes"}}); err != nil {
		return err
	}
	if err := ca.Kubeconfig(ca.Path("node.kubeconfig"), b.control.Server(), "node"); err != nil {
		return err
	}
	if err := ca.Issue(pki.Identity{File: "kube-proxy", User: "system:kube-proxy"}); err != nil {
		return err
	}
	if err := ca.Kubeconfig(ca.Path("kube-proxy.kubeconfig"), b.control.Server(), "kube-proxy"); err != nil {
		return err
	}
	spec := process.Spec{
		Name: NodeComponent, Path: self,
		Args: []string{
			"component", NodeComponent,
			"--dir=" + b.instance.nodeDir(),
			"--kubeconfig=" + ca.Path("node.kubeconfig"),
			"--ca=" + ca.Path("ca.crt"),
			"--kubelet=" + filepath.Join(b.instance.Bin, "kubelet"),
			"--kube-proxy=" + filepath.Join(b.instance.Bin, "kube-proxy"),
			"--kube-proxy-kubeconfig=" + ca.Path("kube-proxy.kubeconfig"),
			"--services=" + b.state.Services,
			"--node-name=" + realNodeName,
		},
	}
	// The test application is built next to this program; elsewhere, the node
	// builds it from the sources it then needs.
	if testapp := filepath.Join(filepath.Dir(self), "testapp"); executable(testapp) {
		spec.Args = append(spec.Args, "--testapp="+testapp)
	}
	if b.instance.Nodes > 0 {
		spec.Args = append(spec.Args, "--taint="+node.Label+"="+node.LabelValue+":NoSchedule")
	}
	return b.run(spec)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

func (i Instance) nodeDir() string { return i.path("node") }
