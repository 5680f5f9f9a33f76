package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rights"
)

// TestEveryCallHasARight finds every call of the API in this package and in gate/tunnel, by the types of what it is made
// on, and looks for the row of rights that allows it. Where the type says what is asked for (a PodInterface), no more is
// needed; other calls are named here, each with its row.
func TestEveryCallHasARight(t *testing.T) {
	all := rights.Needed(everything(t))
	rows := map[string]rights.Row{}
	for _, row := range rights.Table() {
		rows[row.Purpose] = row
	}
	named := map[string]bool{}
	for _, c := range append(callsIn(t, "."), callsIn(t, "../tunnel")...) {
		if c.resource != "" {
			if !slices.ContainsFunc(all, func(r rights.Right) bool { return r.Allows(c.verb, c.group, c.resource, "shop") }) {
				t.Errorf("%s: no row of rights.Table allows to %s %s of group %q", c.at, c.verb, c.resource, c.group)
			}
			continue
		}
		key := c.function + " " + c.verb
		named[key] = true
		purpose, known := untyped[key]
		switch row := rows[purpose]; {
		case !known:
			t.Errorf("%s: which row of rights.Table is %q for? Name it in this test", c.at, key)
		case purpose == "": // it needs no right, or is no part of a run
		case row.Purpose == "":
			t.Errorf("%s: rights.Table has no row %q", c.at, purpose)
		case !slices.Contains(row.Verbs, c.verb):
			t.Errorf("%s: the row %q does not allow to %s", c.at, purpose, c.verb)
		}
	}
	for key := range untyped {
		if !named[key] {
			t.Errorf("there is no call %q any more", key)
		}
	}
}

const (
	toRead   = "read what is there, which is what an undo goes back to"
	toApply  = "try the manifests out and apply them"
	toFollow = "follow the rollout"
	toPin    = "give the traffic of Services to one version alone, with --blue-green, --drain and shares of traffic"
	toShare  = "share the requests of routes between two versions, with shares of traffic"
	toDelete = "delete a hook that has ended, and one of an earlier run before it runs anew"
)

// untyped are the calls by clients for any kind, each with the purpose of its row; "" for those that need none.
var untyped = map[string]string{
	"liveOf get": toRead, "reread get": toRead, "awaitEstablished get": toRead, "undoOnce get": toRead, "restoreOwners get": toRead,
	"Gone get": toRead, "Foreign get": toRead, "Trace get": toRead, "poll get": toRead, "find get": toRead, "writers get": toRead,
	"Leftovers get": toRead, "pruneOnce get": toRead, "awaitGone get": toRead, "tracePrune get": toRead, "undoPrune get": toRead, "ownersAgain get": toRead,
	"pruneOnce delete": "delete what is not in the manifests any more, with --prune", "createAgain create": toApply,
	"Exist get": toRead, "Remove get": toRead, "delete delete": toDelete, "Live get": toRead, "Tell get": toRead, "RemoveCopy get": toRead, "RemoveCopy delete": "remove what it has created", "Copies list": toFollow,
	"Front list": toPin, "Routes list": toShare, "TryStep get": toRead, "mergeAs patch": toApply, "patch patch": toApply, "setOwners patch": toApply,
	"undoChange update": "put back what it has changed", "TryBack update": "put back what it has changed", "remove delete": "remove what it has created",
	"worthSharing list": toFollow, "sourceOf list": toFollow, "sourceOf watch": toFollow, "sourceOf typedSource": "",
	"list list":        "keep the run on record, for undo, resume and history",
	"anyOf list":       "see whether anything is left in a namespace before it removes it again",
	"backends list":    "see which ports Ingresses and routes send traffic to",
	"names list":       "tell a misspelt name or key from one that is missing",
	"schemas get":      "", // OpenAPI, open to everybody
	"ControllerOf get": "", // of kinds that the manifests do not name
	"FindAll list":     "", // diagnose --all, which no manifest stands behind
	"ownAsBefore get":  toRead, "nowOf get": toRead, "gatherNamed get": toRead, "gatherRead get": toRead,
	"gatherSelected list": "", "gatherThose list": "", // of a run with a command, which no manifest stands behind
	"Proxy get":    "ask Prometheus, or another endpoint, through the API server's proxy",
	"connect post": "", // the address alone; the row of pods/portforward is in the tests of the tunnel
}

// call is one call of the API.
type call struct {
	at, function          string
	verb, group, resource string // resource is empty when the types do not say it
}

// callsIn type-checks a package and returns its calls.
func callsIn(t *testing.T, dir string) []call {
	t.Helper()
	exports := exportsOf(t, dir)
	fset := token.NewFileSet()
	var files []*ast.File
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	info := &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })}
	if _, err := config.Check(dir, fset, files, info); err != nil {
		t.Fatal(err)
	}
	var all []call
	for _, file := range files {
		for _, declared := range file.Decls {
			function, ok := declared.(*ast.FuncDecl)
			if !ok || function.Body == nil {
				continue
			}
			ast.Inspect(function.Body, func(n ast.Node) bool {
				if expression, ok := n.(*ast.CallExpr); ok {
					for _, c := range callsOf(expression, info) {
						c.at, c.function = fset.Position(expression.Pos()).String(), function.Name.Name
						all = append(all, c)
					}
				}
				return true
			})
		}
	}
	return all
}

// typedClients is where client-go has a client for each kind of Kubernetes.
const typedClients = "k8s.io/client-go/kubernetes/typed/"

// callsOf are the calls of the API that an expression makes; usually none or one.
func callsOf(expression *ast.CallExpr, info *types.Info) []call {
	if name, ok := expression.Fun.(*ast.Ident); ok && name.Name == "typedSource" {
		return watchesOf(expression, info)
	}
	selector, ok := expression.Fun.(*ast.SelectorExpr)
	if !ok || info.Selections[selector] == nil {
		return nil
	}
	on, method := receiver(info.Selections[selector].Recv()), selector.Sel.Name
	if on == nil || on.Pkg() == nil || method == "RESTClient" {
		return nil
	}
	verb := strings.ToLower(method)
	switch path := on.Pkg().Path(); {
	case strings.HasPrefix(path, typedClients) && strings.HasSuffix(on.Name(), "Interface") && !strings.HasSuffix(on.Name(), "sGetter"):
		c := call{verb: verb, group: groupOf(path), resource: resourceOf(strings.TrimSuffix(on.Name(), "Interface"))}
		if method == "GetLogs" {
			c.verb, c.resource = "get", "pods/log"
		}
		if !slices.Contains([]string{"get", "list", "watch", "create", "update", "patch", "delete"}, c.verb) || strings.HasPrefix(c.resource, "selfsubject") {
			return nil // the way to the client of a kind, or what everybody may ask
		}
		return []call{c}
	case path == "k8s.io/client-go/dynamic" || path == "k8s.io/client-go/metadata":
		if slices.Contains([]string{"get", "list", "watch", "create", "update", "patch", "delete", "apply"}, verb) {
			return []call{{verb: verb}}
		}
	case path == "k8s.io/client-go/rest" && on.Name() == "Interface":
		return []call{{verb: verb}}
	}
	return nil
}

// watchesOf are those of typedSource, which lists and watches.
func watchesOf(expression *ast.CallExpr, info *types.Info) []call {
	resource := info.Types[expression.Args[1]].Value
	client, ok := expression.Args[0].(*ast.CallExpr)
	if resource == nil || !ok {
		return []call{{verb: "typedSource"}}
	}
	on := receiver(info.Selections[client.Fun.(*ast.SelectorExpr)].Recv())
	group, plural := groupOf(on.Pkg().Path()), constant.StringVal(resource)
	return []call{{verb: "list", group: group, resource: plural}, {verb: "watch", group: group, resource: plural}}
}

func receiver(t types.Type) *types.TypeName {
	if pointer, ok := t.(*types.Pointer); ok {
		t = pointer.Elem()
	}
	named, ok := t.(*types.Named)
	if !ok {
		return nil
	}
	return named.Obj()
}

// groupOf is the API group of a typed client's package, as .../typed/apps/v1.
func groupOf(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, typedClients), "/")
	switch name {
	case "core":
		return ""
	case "apps", "batch", "autoscaling", "policy":
		return name
	}
	return name + ".k8s.io"
}

func resourceOf(kind string) string {
	plural, _ := meta.UnsafeGuessKindToResource(schema.GroupVersionKind{Kind: kind})
	return plural.Resource
}

// exportsOf are the files with what packages export, by the path of the package.
func exportsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return exports
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
	}
}

// everything is a run of all that has rows of its own.
func everything(t *testing.T) rights.Use {
	t.Helper()
	path := filepath.Join(t.TempDir(), "all.yaml")
	pod := "{metadata: {labels: {app: x}}, spec: {priorityClassName: high, runtimeClassName: other, containers: [{name: x, image: x}], " +
		"volumes: [{name: x, persistentVolumeClaim: {claimName: x}}]}}"
	var text strings.Builder
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		fmt.Fprintf(&text, "---\n{apiVersion: apps/v1, kind: %s, metadata: {name: x}, spec: {selector: {matchLabels: {app: x}}, template: %s}}\n", kind, pod)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := manifest.Read(manifest.Options{Filenames: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	use := rights.Use{Home: "shop", Record: true, Canaries: true, KeepBadPod: true, Events: true, Prunes: true, Prometheus: rights.Service{Namespace: "shop", Name: "prometheus"}}
	if use.Objects, err = rights.Find(read.Objects, "shop", nil); err != nil {
		t.Fatal(err)
	}
	return use
}
