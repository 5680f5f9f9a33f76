// Package controlplane knows the command lines of a Kubernetes control plane on one machine.
//
// It takes paths and ports and returns what to start and which certificates those programs need; it starts
// nothing itself. The settings trade durability and leader election for speed: a sandbox has one of each
// component and forgets everything.
package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/rolloutgate/rolloutgate/sandbox/pki"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

// Config places one control plane.
type Config struct {
	Bin   string // directory of the executables
	Data  string // directory for data and generated files
	CA    *pki.Authority
	Ports Ports

	Services string // the network of ClusterIPs, like 10.96.0.0/16
	First    string // its first address, which is the API server's
}

// Ports are all on 127.0.0.1.
type Ports struct {
	Etcd              int `json:"etcd"`
	EtcdPeer          int `json:"etcdPeer"`
	APIServer         int `json:"apiServer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

// Server is the API server's URL.
func (c Config) Server() string { return "https://127.0.0.1:" + strconv.Itoa(c.Ports.APIServer) }

// Prepare issues the certificates and writes kubeconfig and configuration
// files. The kubeconfig of the cluster administrator goes to Data/kubeconfig.
func (c Config) Prepare() error {
	local := []string{"127.0.0.1", "localhost"}
	admin := []string{"system:masters"}
	for _, id := range []pki.Identity{
		{File: "apiserver", User: "kube-apiserver", Hosts: append(local, c.First, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")},
		{File: "apiserver-kubelet-client", User: "kube-apiserver-kubelet-client", Groups: admin},
		{File: "admin", User: "sandbox-admin", Groups: admin},
		{File: "controller-manager", User: "system:kube-controller-manager", Hosts: local},
		{File: "scheduler", User: "system:kube-scheduler", Hosts: local},
	} {
		if err := c.CA.Issue(id); err != nil {
			return err
		}
	}
	for file, path := range map[string]string{
		"admin":              filepath.Join(c.Data, "kubeconfig"),
		"controller-manager": c.CA.Path("controller-manager.kubeconfig"),
		"scheduler":          c.CA.Path("scheduler.kubeconfig"),
	} {
		if err := c.CA.Kubeconfig(path, c.Server(), file); err != nil {
			return err
		}
	}
	if err := os.WriteFile(c.schedulerConfig(), []byte(schedulerConfiguration(c.CA.Path("scheduler.kubeconfig"))), 0o600); err != nil {
		return fmt.Errorf("writing the scheduler's configuration: %w", err)
	}
	if err := os.WriteFile(c.auditPolicy(), []byte(auditPolicy), 0o600); err != nil {
		return fmt.Errorf("writing the audit policy: %w", err)
	}
	if err := os.WriteFile(c.Authentication(), []byte(authentication), 0o600); err != nil {
		return fmt.Errorf("writing the authentication configuration: %w", err)
	}
	return nil
}

// AuditLog is the file in which the API server notes the requests of the ServiceAccounts of one namespace.
func (c Config) AuditLog() string { return filepath.Join(c.Data, "audit.log") }

func (c Config) auditPolicy() string { return filepath.Join(c.Data, "audit.yaml") }

// auditPolicy has nobody's requests written down but those of accounts in the namespace "audited": to note everything
// would cost time that is measured elsewhere.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:audited"]
`

// Authentication is the file that tells the API server whose tokens to believe. It looks again when the file changes, so a
// test may name an issuer of its own.
func (c Config) Authentication() string { return filepath.Join(c.Data, "authentication.yaml") }

// authentication believes nobody beyond the certificates and ServiceAccounts of the cluster.
const authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt: []
`

func (c Config) schedulerConfig() string { return filepath.Join(c.Data, "scheduler.yaml") }

// Etcd stores nothing safely: no fsync.
func (c Config) Etcd() process.Spec {
	client, peer := address("http", c.Ports.Etcd), address("http", c.Ports.EtcdPeer)
	return process.Spec{
		Name: "etcd", Path: filepath.Join(c.Bin, "etcd"), Address: client,
		Args: []string{
			"--name=sandbox",
			"--data-dir=" + filepath.Join(c.Data, "etcd"),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=sandbox=" + peer,
			"--unsafe-no-fsync",
			"--log-level=warn",
		},
	}
}

// APIServer authorizes with RBAC and the Node authorizer, like a real cluster.
func (c Config) APIServer() process.Spec {
	return process.Spec{
		Name: "kube-apiserver", Path: filepath.Join(c.Bin, "kube-apiserver"), Address: c.Server(),
		Args: []string{
			"--etcd-servers=" + address("http", c.Ports.Etcd),
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(c.Ports.APIServer),
			// A loopback address may not stand in an EndpointSlice, and no pod reaches it.
			"--endpoint-reconciler-type=none",
			"--service-cluster-ip-range=" + c.Services,
			"--authorization-mode=Node,RBAC",
			"--enable-admission-plugins=NodeRestriction",
			"--allow-privileged=true",
			"--client-ca-file=" + c.CA.Path("ca.crt"),
			"--tls-cert-file=" + c.CA.Path("apiserver.crt"),
			"--tls-private-key-file=" + c.CA.Path("apiserver.key"),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + c.CA.Path("sa.pub"),
			"--service-account-signing-key-file=" + c.CA.Path("sa.key"),
			"--kubelet-client-certificate=" + c.CA.Path("apiserver-kubelet-client.crt"),
			"--kubelet-client-key=" + c.CA.Path("apiserver-kubelet-client.key"),
			"--kubelet-preferred-address-types=InternalIP",
			"--max-requests-inflight=2000",
			"--max-mutating-requests-inflight=1000",
			"--profiling=false",
			"--authentication-config=" + c.Authentication(),
			"--audit-policy-file=" + c.auditPolicy(),
			"--audit-log-path=" + c.AuditLog(),
		},
	}
}

// ControllerManager gets enough workers and request rate to roll a thousand
// pods in seconds.
func (c Config) ControllerManager() process.Spec {
	kubeconfig := c.CA.Path("controller-manager.kubeconfig")
	return process.Spec{
		Name: "kube-controller-manager", Path: filepath.Join(c.Bin, "kube-controller-manager"),
		Address: address("https", c.Ports.ControllerManager),
		Args: []string{
			"--kubeconfig=" + kubeconfig,
			"--authentication-kubeconfig=" + kubeconfig,
			"--authorization-kubeconfig=" + kubeconfig,
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(c.Ports.ControllerManager),
			"--tls-cert-file=" + c.CA.Path("controller-manager.crt"),
			"--tls-private-key-file=" + c.CA.Path("controller-manager.key"),
			"--leader-elect=false",
			// Its own user may do little under RBAC: each controller has a role of its own.
			"--use-service-account-credentials=true",
			"--root-ca-file=" + c.CA.Path("ca.crt"),
			"--service-account-private-key-file=" + c.CA.Path("sa.key"),
			"--cluster-signing-cert-file=" + c.CA.Path("ca.crt"),
			"--cluster-signing-key-file=" + c.CA.Path("ca.key"),
			"--kube-api-qps=1000", "--kube-api-burst=1000",
			"--concurrent-deployment-syncs=20",
			"--concurrent-replicaset-syncs=20",
			"--concurrent-statefulset-syncs=20",
			"--concurrent-endpoint-syncs=20",
			"--concurrent-service-endpoint-syncs=20",
			// Simulated nodes keep their leases, but a machine busy with tests may
			// pause all of this for a while; pods must not be evicted for that.
			"--node-monitor-grace-period=5m",
			"--profiling=false",
		},
	}
}

// Scheduler reads a configuration file because its request rate has no flag of
// its own left.
func (c Config) Scheduler() process.Spec {
	return process.Spec{
		Name: "kube-scheduler", Path: filepath.Join(c.Bin, "kube-scheduler"),
		Address: address("https", c.Ports.Scheduler),
		Args: []string{
			"--config=" + c.schedulerConfig(),
			"--authentication-kubeconfig=" + c.CA.Path("scheduler.kubeconfig"),
			"--authorization-kubeconfig=" + c.CA.Path("scheduler.kubeconfig"),
			"--bind-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(c.Ports.Scheduler),
			"--tls-cert-file=" + c.CA.Path("scheduler.crt"),
			"--tls-private-key-file=" + c.CA.Path("scheduler.key"),
		},
	}
}

func schedulerConfiguration(kubeconfig string) string {
	return fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection:
  leaderElect: false
clientConnection:
  kubeconfig: %q
  qps: 1000
  burst: 1000
`, kubeconfig)
}

func address(scheme string, port int) string {
	return scheme + "://127.0.0.1:" + strconv.Itoa(port)
}
