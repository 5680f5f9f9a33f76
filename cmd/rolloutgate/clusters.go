package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// clustersKey is the key of the clusters in the config file.
const clustersKey = "clusters"

// site is one cluster that a run is for, and what is special about it.
type site struct {
	name              string
	context           string // of the kubeconfig; empty: its current one
	kubeconfig        string
	namespace         string
	prometheusURL     string
	prometheusService string
	filenames         []string
	vars              map[string]string
	wave              int // from 1
}

// manyClusters are the commands that work in several clusters at once, and withoutCluster those that work in none.
var (
	manyClusters   = []string{"run", "plan", "undo", "resume"}
	withoutCluster = []string{"lint", "schema", "notify", "test", "version", "reference"}
)

// selectClusters finds out which clusters are meant: those of --context, each of which the config file may know by its name or
// its context, or else all of the file. Each cluster of the flag is a wave of its own.
func (o *options) selectClusters(known []site, named bool) error {
	if slices.Contains(withoutCluster, o.command) {
		return nil
	}
	sites := known
	if text := *o.kube.Context; named && text != "" {
		sites = nil
		for i, name := range strings.Split(text, ",") {
			name = strings.TrimSpace(name)
			s := site{name: name, context: name}
			if n := slices.IndexFunc(known, func(k site) bool { return k.name == name || k.context == name }); n >= 0 {
				s = known[n]
			}
			s.wave = i + 1
			if name == "" || slices.ContainsFunc(sites, func(other site) bool { return other.name == s.name }) {
				return &usageError{fmt.Sprintf("reading --context: %q has a cluster twice, or an empty one", text), "name each context once, as in --context canary,eu,us"}
			}
			sites = append(sites, s)
		}
		for i, s := range sites { // those of one wave of the file stay together where they stand beside each other
			n := slices.IndexFunc(known, func(k site) bool { return k.name == s.name })
			if n < 0 || i == 0 {
				continue
			}
			before := slices.IndexFunc(known, func(k site) bool { return k.name == sites[i-1].name })
			if before >= 0 && known[before].wave == known[n].wave {
				sites[i].wave = sites[i-1].wave
			}
		}
	}
	switch {
	case len(sites) == 0:
	case len(sites) == 1:
		o.move(sites[0])
	case !slices.Contains(manyClusters, o.command):
		return &usageError{
			fmt.Sprintf("%s works in one cluster, and there are several: %s", o.command, strings.Join(siteNames(sites), ", ")),
			"name one of them with --context; " + list(manyClusters, "and") + " take several",
		}
	default:
		o.sites = sites
	}
	return nil
}

func siteNames(sites []site) (names []string) {
	for _, s := range sites {
		names = append(names, s.name)
	}
	return names
}

// at are the options for one of the clusters.
func (o *options) at(s site) *options {
	there := *o
	there.kube = newKube()
	for _, flag := range []struct{ to, from **string }{
		{&there.kube.KubeConfig, &o.kube.KubeConfig}, {&there.kube.Context, &o.kube.Context}, {&there.kube.Namespace, &o.kube.Namespace},
		{&there.kube.Impersonate, &o.kube.Impersonate},
	} {
		if *flag.from != nil {
			value := **flag.from
			*flag.to = &value
		}
	}
	there.sites, there.place = nil, s.name
	there.move(s)
	return &there
}

// move makes the options those of one cluster. What it has of its own beats what holds for all clusters, be it said in the file or
// by a flag.
func (o *options) move(s site) {
	*o.kube.Context = s.context
	if s.kubeconfig != "" {
		*o.kube.KubeConfig = s.kubeconfig
	}
	if s.namespace != "" {
		*o.kube.Namespace = s.namespace
	}
	if s.prometheusURL != "" || s.prometheusService != "" {
		o.prometheusURL, o.prometheusService = s.prometheusURL, s.prometheusService
	}
	if len(s.filenames) > 0 {
		o.filenames, o.kustomize = s.filenames, ""
	}
	if len(s.vars) > 0 {
		all := maps.Clone(s.vars)
		for name, value := range o.spec.Vars {
			if _, special := all[name]; !special {
				all[name] = value
			}
		}
		o.spec.Vars = all
	}
}

// newKube are the flags about the cluster that kubectl has as well.
func newKube() *genericclioptions.ConfigFlags {
	kube := genericclioptions.NewConfigFlags(true)
	// What is left out is a credential, which belongs into the kubeconfig, or an override of what stands there.
	kube.AuthInfoName, kube.BearerToken, kube.CertFile, kube.KeyFile = nil, nil, nil, nil
	kube.APIServer, kube.ClusterName, kube.CAFile, kube.TLSServerName, kube.Insecure = nil, nil, nil, nil, nil
	kube.ImpersonateUID, kube.ImpersonateGroup, kube.ImpersonateUserExtra = nil, nil, nil
	kube.CacheDir, kube.Timeout, kube.DisableCompression, kube.ProxyURL = nil, nil, nil, nil
	return kube
}

// siteReader reads the clusters of a config file, and collects what is wrong with them.
type siteReader struct {
	file  string
	sites []site
	errs  []error
}

// readClusters reads the value of clusters: a list of waves, each of which is a cluster or a list of them. A cluster is the name of
// a context, or a mapping.
func readClusters(file string, value *yaml.Node) ([]site, error) {
	r := &siteReader{file: file}
	value = behindAlias(value)
	if value.Kind != yaml.SequenceNode || len(value.Content) == 0 {
		r.fault(value, "not a list of clusters", "write a context in a line, such as - eu, or several that go at once: - [eu, us]")
		return nil, errors.Join(r.errs...)
	}
	for i, wave := range value.Content {
		wave = behindAlias(wave)
		members := []*yaml.Node{wave}
		if wave.Kind == yaml.SequenceNode {
			members = wave.Content
		}
		if len(members) == 0 {
			r.fault(wave, "a wave without a cluster", "leave it out")
		}
		for _, node := range members {
			r.site(behindAlias(node), i+1)
		}
	}
	return r.sites, errors.Join(r.errs...)
}

func (r *siteReader) fault(at *yaml.Node, text, hint string) {
	r.errs = append(r.errs, &analysis.SpecError{File: r.file, Line: at.Line, Column: at.Column, Text: "reading clusters: " + text, Hint: hint})
}

// siteKeys are the keys of a cluster.
var siteKeys = []string{"name", "context", "kubeconfig", "namespace", "prometheusUrl", "prometheusService", "filename", "vars"}

// site reads one cluster.
func (r *siteReader) site(node *yaml.Node, wave int) {
	s := site{wave: wave}
	switch node.Kind {
	case yaml.ScalarNode:
		s.name, s.context = node.Value, node.Value
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			r.field(&s, node.Content[i], behindAlias(node.Content[i+1]))
		}
	default:
		r.fault(node, "not a cluster", "write the name of a context, or a mapping with name and context")
		return
	}
	if s.name == "" {
		s.name = s.context
	}
	if s.context == "" && s.kubeconfig == "" {
		s.context = s.name
	}
	switch {
	case s.name == "":
		r.fault(node, "a cluster without a name", "give it a name, and a context of the kubeconfig if that is another one")
	case s.prometheusURL != "" && s.prometheusService != "":
		r.fault(node, fmt.Sprintf("cluster %s has both prometheusUrl and prometheusService", s.name), "leave one of them out")
	case slices.ContainsFunc(r.sites, func(other site) bool { return other.name == s.name }):
		r.fault(node, fmt.Sprintf("there are two clusters named %s", s.name), "give each a name of its own")
	}
	r.sites = append(r.sites, s)
}

// field reads one key of a cluster.
func (r *siteReader) field(s *site, key, value *yaml.Node) {
	for name, to := range map[string]*string{
		"name": &s.name, "context": &s.context, "kubeconfig": &s.kubeconfig, "namespace": &s.namespace,
		"prometheusUrl": &s.prometheusURL, "prometheusService": &s.prometheusService,
	} {
		if key.Value != name {
			continue
		}
		if value.Kind != yaml.ScalarNode || value.Value == "" {
			r.fault(value, name+" is not a text", "")
			return
		}
		*to = value.Value
		return
	}
	switch key.Value {
	case "filename":
		if err := value.Decode(&s.filenames); err != nil {
			var one string
			if value.Decode(&one) != nil || one == "" {
				r.fault(value, "filename is neither a path nor a list of paths", "")
				return
			}
			s.filenames = []string{one}
		}
	case "vars":
		if err := value.Decode(&s.vars); err != nil {
			r.fault(value, "vars are not a mapping of names to texts", "write them as lines of 'name: value'")
		}
	default:
		hint := "known keys are " + strings.Join(siteKeys, ", ")
		if near := analysis.Closest(key.Value, siteKeys); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		r.fault(key, fmt.Sprintf("unknown key %q", key.Value), hint)
	}
}
