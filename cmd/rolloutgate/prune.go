package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/rolloutgate/rolloutgate/gate"
)

// pruneOptions are the flags about what is deleted.
type pruneOptions struct {
	set       setName
	protected []string
	most      bool
}

// pruning are these flags.
func (o *options) pruning(flags *pflag.FlagSet) {
	flags.Var(&o.prune.set, "prune", "name of the set that these manifests are all of: when everything has passed, delete what the last run of this set in the namespace had and this one has not")
	flags.StringSliceVar(&o.prune.protected, "prune-protected", nil, "kinds to prune that are kept otherwise: Namespace, PersistentVolumeClaim, PersistentVolume, CustomResourceDefinition; repeatable")
	flags.BoolVar(&o.prune.most, "prune-most", false, "prune although the manifests look like a part of the set alone")
}

// given tells whether anything was said about pruning.
func (p pruneOptions) given() bool { return p.set != "" || len(p.protected) > 0 || p.most }

// setName is a flag with the name of a set. With kubectl, --prune has no value: what follows it there is no name.
type setName string

func (s *setName) Set(text string) error {
	if text == "" || len(validation.IsValidLabelValue(text)) > 0 {
		return fmt.Errorf("%q is no name of a set\n  hint: name the set of these manifests, always in the same way: --prune shop", text)
	}
	*s = setName(text)
	return nil
}

func (s *setName) String() string { return string(*s) }

// Type is what the help calls the value.
func (*setName) Type() string { return "string" }

// pruned reads the flags about pruning. read is nil where no manifests were read.
func (o *options) pruned(read []string) (gate.Prune, error) {
	p := gate.Prune{Set: string(o.prune.set), Most: o.prune.most}
	if o.prune.set == "" {
		if len(o.prune.protected) > 0 || o.prune.most {
			return p, &usageError{"--prune-protected and --prune-most go with --prune", "name the set of these manifests: --prune shop"}
		}
		return p, nil
	}
	for _, name := range o.prune.protected {
		kind, err := gate.ParseProtected(name)
		if err != nil {
			what, hint, _ := strings.Cut(err.Error(), "\n  hint: ")
			return p, &usageError{"reading --prune-protected: " + what, hint}
		}
		if !slices.Contains(p.Protected, kind) {
			p.Protected = append(p.Protected, kind)
		}
	}
	if o.kustomize == "" { // which says itself what belongs to it
		p.Unread = func(path string) bool { return unread(path, read) }
	}
	return p, nil
}

// unread tells whether a manifest is there and is not among the files that were read.
func unread(path string, read []string) bool {
	clean := filepath.Clean(path)
	if path == "-" || slices.ContainsFunc(read, func(r string) bool { return filepath.Clean(r) == clean }) {
		return false
	}
	info, err := os.Stat(clean)
	return err == nil && info.Mode().IsRegular() || err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid)
}
