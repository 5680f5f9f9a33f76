//go:build cluster

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// audited is the namespace whose accounts the sandbox's API server keeps a log of.
const audited = "audited"

// tenant is a namespace of its own and an account that starts without any rights.
type tenant struct {
	admin              kubernetes.Interface
	namespace, account string
	dir                string // with kubeconfig files of the account and of the administrator
	granted            []grant
	last               answered // of the account's commands
}

// grant is what one rule grants in a namespace, "" for all.
type grant struct {
	namespace string
	rule      rbacv1.PolicyRule
}

// newTenant makes the namespace, the account and the kubeconfigs.
func newTenant(ctx context.Context, dir, name string) (*tenant, error) {
	config, err := clientcmd.LoadFromFile(os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	rest, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	rest.QPS = -1
	admin, err := kubernetes.NewForConfig(rest)
	if err != nil {
		return nil, err
	}
	id := name + "-" + strings.ToLower(rand.Text()[:5])
	t := &tenant{admin: admin, namespace: "r-" + id, account: id, dir: filepath.Join(dir, id)}
	if err := os.Mkdir(t.dir, 0o700); err != nil {
		return nil, err
	}
	for _, ns := range []string{audited, t.namespace} {
		_, err := admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
	}
	accounts := admin.CoreV1().ServiceAccounts(audited)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: t.account}}, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	token, err := accounts.CreateToken(ctx, t.account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	config.Contexts[config.CurrentContext].Namespace = t.namespace
	if err := clientcmd.WriteToFile(*config, t.file("admin")); err != nil {
		return nil, err
	}
	config.AuthInfos[config.Contexts[config.CurrentContext].AuthInfo] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	return t, clientcmd.WriteToFile(*config, t.file("account"))
}

func (t *tenant) file(name string) string { return filepath.Join(t.dir, name) }

// remove gives back what belongs to no sandbox's end.
func (t *tenant) remove() {
	ctx := context.Background()
	_ = t.admin.CoreV1().Namespaces().Delete(ctx, t.namespace, metav1.DeleteOptions{})
	_ = t.admin.RbacV1().ClusterRoles().Delete(ctx, "rolloutgate-"+t.namespace, metav1.DeleteOptions{})
	_ = t.admin.RbacV1().ClusterRoleBindings().Delete(ctx, "rolloutgate-"+t.namespace, metav1.DeleteOptions{})
}

// grant applies the Roles that `rolloutgate rbac` has printed, after each rule was changed.
func (t *tenant) grant(ctx context.Context, printed string, change func(namespace string, r *rbacv1.PolicyRule)) error {
	for document := range strings.SplitSeq(printed, "---\n") {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &head); err != nil {
			return err
		}
		var err error
		switch head.Kind {
		case "Role":
			var r rbacv1.Role
			err = yaml.UnmarshalStrict([]byte(document), &r)
			if err == nil {
				t.granted = append(t.granted, grantsOf(r.Namespace, r.Rules, change)...)
				_, err = t.admin.RbacV1().Roles(r.Namespace).Create(ctx, &r, metav1.CreateOptions{})
			}
		case "ClusterRole":
			var r rbacv1.ClusterRole
			err = yaml.UnmarshalStrict([]byte(document), &r)
			if err == nil {
				t.granted = append(t.granted, grantsOf("", r.Rules, change)...)
				_, err = t.admin.RbacV1().ClusterRoles().Create(ctx, &r, metav1.CreateOptions{})
			}
		case "RoleBinding":
			var b rbacv1.RoleBinding
			err = yaml.UnmarshalStrict([]byte(document), &b)
			if err == nil {
				_, err = t.admin.RbacV1().RoleBindings(b.Namespace).Create(ctx, &b, metav1.CreateOptions{})
			}
		case "ClusterRoleBinding":
			var b rbacv1.ClusterRoleBinding
			err = yaml.UnmarshalStrict([]byte(document), &b)
			if err == nil {
				_, err = t.admin.RbacV1().ClusterRoleBindings().Create(ctx, &b, metav1.CreateOptions{})
			}
		}
		if apierrors.IsNotFound(err) {
			continue // a namespace that the run is to create
		}
		if err != nil {
			return fmt.Errorf("%w in\n%s", err, document)
		}
	}
	return nil
}

// grantsOf changes rules in place, and says what they grant. A rule without verbs is none, so it gets one that is no verb.
func grantsOf(namespace string, rules []rbacv1.PolicyRule, change func(string, *rbacv1.PolicyRule)) []grant {
	var all []grant
	for i := range rules {
		if change != nil {
			change(namespace, &rules[i])
		}
		if len(rules[i].Verbs) == 0 {
			rules[i].Verbs = []string{"nothing"}
		}
		all = append(all, grant{namespace, rules[i]})
	}
	return all
}

// answered is what came of one command.
type answered struct {
	code   int
	stdout string
	out    string // everything that was printed
	report struct {
		Exit  struct{ Name, State string }
		Notes []string
	}
}

// as runs rolloutgate as the account or the administrator.
func (t *tenant) as(ctx context.Context, who string, env map[string]string, args ...string) answered {
	var stdout, stderr bytes.Buffer
	p := &program{getenv: func(name string) string { return env[name] }, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}
	var result answered
	result.code = p.execute(ctx, append(args, "--kubeconfig", t.file(who), "--color", "never"))
	result.stdout, result.out = stdout.String(), stdout.String()+stderr.String()
	_ = json.Unmarshal(stdout.Bytes(), &result.report) // with -o json; what has none is looked at as text
	return result
}

// write puts a manifest into a file and returns its path.
func (t *tenant) write(name, text string) (string, error) {
	return t.file(name), os.WriteFile(t.file(name), []byte(text), 0o600)
}

// request is one line of the audit log.
type request struct {
	Verb, RequestURI string
	User             struct{ Username string }
	ObjectRef        *struct{ Resource, Subresource, Namespace, APIGroup, Name string }
	ResponseStatus   struct{ Code int }
	Annotations      map[string]string
}

// requests are those of the account, without what every account may ask.
func (t *tenant) requests() ([]request, error) {
	file, err := os.Open(os.Getenv("SANDBOX_AUDIT_LOG"))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []request
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		open := r.ObjectRef == nil || strings.HasPrefix(r.ObjectRef.Resource, "selfsubject")
		if r.User.Username == "system:serviceaccount:"+audited+":"+t.account && !open {
			all = append(all, r)
		}
	}
	if len(all) == 0 && lines.Err() == nil {
		return nil, errors.New("the audit log has no request of " + t.account)
	}
	return all, lines.Err()
}

func (r request) resource() string {
	if r.ObjectRef.Subresource != "" {
		return r.ObjectRef.Resource + "/" + r.ObjectRef.Subresource
	}
	return r.ObjectRef.Resource
}

func (r request) String() string {
	return fmt.Sprintf("%s %s (%s)", r.Verb, r.RequestURI, r.ObjectRef.APIGroup)
}

// covered tells whether the printed rules allow a request.
func (t *tenant) covered(r request) bool {
	has := func(list []string, item string) bool {
		return slices.Contains(list, item) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(t.granted, func(g grant) bool {
		return (g.namespace == "" || g.namespace == r.ObjectRef.Namespace) && has(g.rule.APIGroups, r.ObjectRef.APIGroup) &&
			has(g.rule.Resources, r.resource()) && slices.Contains(g.rule.Verbs, r.Verb)
	})
}

func needsAudit(t *testing.T) {
	t.Helper()
	for _, name := range []string{"KUBECONFIG", "SANDBOX_AUDIT_LOG", "ROLLOUTGATE_PROMETHEUS_URL"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: run this test in a sandbox", name)
		}
	}
}
