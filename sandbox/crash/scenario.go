package main

import (
	"embed"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// manifests are those of the scenarios. What differs between versions stands in them as ${tag} of the image that a bad
// version lacks, ${good} that every version has, ${version}, ${secret}, and ${apart}.
//
//go:embed scenarios/*.yaml
var manifests embed.FS

// scenario is what is rolled out.
type scenario struct {
	name  string
	file  string
	about string
	bad   bool     // the new version never becomes ready
	base  []string // how kubectl writes what was there before; none: nothing was there
	// stages are the flags by which it goes out in stages; none: all at once. Its pods tell their version in a label.
	stages []string
	shares []int  // the new pods of each stage
	apart  string // the file of a Service that is in no manifest, and its name; empty: there is none
	hidden bool   // no user may meet a new pod until the Services are switched
	// set is the one that every run of it prunes; a run has written what was there before, then, as no other way is known to
	// it. pruned are the objects that only the first version has: they are others when they are back.
	set    string
	pruned []string
}

// How kubectl writes what was there before: as rolloutgate would have, and as most people do.
var (
	applied    = []string{"apply", "--server-side", "--field-manager=rolloutgate", "-f"}
	clientSide = []string{"apply", "-f"}
)

// scenarios are each played with a good new version and with a bad one.
func scenarios() []scenario {
	var all []scenario
	for _, s := range []scenario{
		{name: "deployment", about: "a Deployment", base: applied},
		{name: "taken-over", file: "deployment", about: "a Deployment that `kubectl apply` wrote, so that its field owners are moved first", base: clientSide},
		{name: "statefulset", about: "a StatefulSet, whose undo has to delete the pod that is stuck", base: applied},
		{name: "daemonset", about: "a DaemonSet", base: applied},
		{name: "configmap", about: "a ConfigMap and a Deployment", base: applied},
		{name: "secret", about: "a Secret and a Deployment", base: applied},
		{name: "created", about: "a ConfigMap, a Service and a Deployment that are new"},
		{name: "three", about: "three Deployments, of which the last one may be bad", base: applied},
		{name: "job", about: "a new Job and a Deployment", base: applied},
		{name: "canary", about: "a Deployment, of which one pod is new first, then two; a bad one fails in the second stage", base: applied,
			stages: []string{"--canary", "1,2", "--hold", "1s"}, shares: []int{1, 2}},
		{name: "canary-statefulset", about: "a StatefulSet, of which one pod is new first, then two", base: applied,
			stages: []string{"--canary", "1,2", "--hold", "1s"}, shares: []int{1, 2}},
		{name: "canary-daemonset", about: "a DaemonSet, of which one pod is new first, then two", base: applied,
			stages: []string{"--canary", "1,2", "--hold", "1s"}, shares: []int{1, 2}},
		{name: "blue-green", about: "a Deployment and its Service, and another Service; a bad one fails in the preview", base: applied,
			stages: []string{"--blue-green"}, shares: []int{3}, apart: "apart", hidden: true},
		{name: "drain", file: "blue-green", about: "the same, drained", base: applied,
			stages: []string{"--drain"}, shares: []int{3}, apart: "apart"},
		{name: "prune", about: "a ConfigMap and a Deployment, and a Deployment with its ConfigMap that the new version does not have any more", set: "shop",
			pruned: []string{"configmap/old", "deployment/worker"}},
		{name: "order", about: "a Job that is a hook before the Deployment, in the place of that of the release before", base: applied},
	} {
		if s.file == "" {
			s.file = s.name
		}
		bad := s
		bad.name, bad.bad = s.name+"-bad", true
		all = append(all, s, bad)
	}
	return all
}

// family is the name without the version.
func (s scenario) family() string { return strings.TrimSuffix(s.name, "-bad") }

// version is one state of the manifests.
type version string

// The versions.
const (
	first version = "v1"
	good  version = "v2"
	bad   version = "v2-bad"
)

// next is the version that a scenario rolls out.
func (s scenario) next() version {
	if s.bad {
		return bad
	}
	return good
}

func (v version) tag() string {
	if v == bad {
		return "missing" // the sandbox' nodes cannot pull it
	}
	return string(v)
}

// apart is what no two pods of a version may share: their node, or what is the same everywhere.
func (v version) apart() string {
	if v == bad {
		return "os"
	}
	return "hostname"
}

// payload is the data of the Secret in a version. Nothing else may ever have it.
func (v version) payload() string { return "payload-of-" + string(v) + "-Xk29vQ" }

// payloads are the forms of all of them.
func payloads() []string {
	var all []string
	for _, v := range []version{first, good, bad} {
		all = append(all, v.payload(), base64.StdEncoding.EncodeToString([]byte(v.payload())))
	}
	return all
}

func (v version) file() string { return string(v) + ".yaml" }

// onlyInFirst begins what only the first version of a scenario has.
const onlyInFirst = "--- # only in v1\n"

// manifest is that of a scenario in a version.
func (s scenario) manifest(v version) (string, error) {
	text, err := manifests.ReadFile("scenarios/" + s.file + ".yaml")
	if err != nil {
		return "", fmt.Errorf("reading the manifests of %s: %w", s.name, err)
	}
	if whole, _, found := strings.Cut(string(text), onlyInFirst); found && v != first {
		text = []byte(whole)
	}
	always := good
	if v == first {
		always = first
	}
	return strings.NewReplacer("${tag}", v.tag(), "${good}", string(always), "${apart}", v.apart(), "${version}", string(v), "${secret}", v.payload()).Replace(string(text)), nil
}

// write puts the manifests of all versions into a folder.
func (s scenario) write(dir string) error {
	for _, v := range []version{first, good, bad} {
		if err := s.writeVersion(dir, v); err != nil {
			return err
		}
	}
	if s.apart == "" {
		return nil
	}
	text, err := manifests.ReadFile("scenarios/" + s.apart + ".yaml")
	if err != nil {
		return fmt.Errorf("reading the Service of %s: %w", s.name, err)
	}
	return os.WriteFile(filepath.Join(dir, s.apart+".yaml"), text, 0o644)
}

func (s scenario) writeVersion(dir string, v version) error {
	text, err := s.manifest(v)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, v.file()), []byte(text), 0o644)
}

func scenarioOf(name string) (scenario, bool) {
	all := scenarios()
	i := slices.IndexFunc(all, func(s scenario) bool { return s.name == name })
	if i < 0 {
		return scenario{}, false
	}
	return all[i], true
}
