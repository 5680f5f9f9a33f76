package main

import (
	"context"
	"fmt"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// awaiting is the flag that says which version is to be judged.
func (o *options) awaiting(flags *pflag.FlagSet) {
	flags.StringSliceVar(&o.forImages, "for-image", nil, "wait until the pod template has this image, and judge what comes of that; as KIND/NAME=IMAGE it is for one of several workloads; repeatable")
}

// awaited gives the targets the images that are to be waited for.
func (o *options) awaited(ctx context.Context, client *cluster.Client, targets []rollout.Target) error {
	forAll := 0
	for _, text := range o.forImages {
		name, image, named := strings.Cut(text, "=")
		if !named {
			name, image = "", text
		}
		if image == "" || strings.ContainsFunc(image, unicode.IsSpace) {
			return &usageError{fmt.Sprintf("reading --for-image: %q is not an image", text), "for example registry.example/shop/web:v2, or deployment/web=registry.example/shop/web:v2"}
		}
		if !named {
			forAll++
		}
		if forAll > 1 && len(targets) > 1 {
			return &usageError{fmt.Sprintf("reading --for-image: which of the %d workloads is %s for?", len(targets), image), fmt.Sprintf("say so, as in %s=%s", targets[0].Ref, image)}
		}
		found := false
		of, err := o.workloadNamed(ctx, client, name)
		if err != nil {
			return err
		}
		for i := range targets {
			if t := &targets[i]; !named || t.Ref == of {
				found = true
				if !mayHaveImages(*t) {
					return &usageError{fmt.Sprintf("reading --for-image: %s has no pod template", t.Ref), "say which workload it is for, as in deployment/web=" + image}
				}
				t.Awaited = append(t.Awaited, image)
			}
		}
		if !found {
			return &usageError{fmt.Sprintf("reading --for-image: %s is not among the workloads to watch", name), "name it as an argument, too"}
		}
	}
	return nil
}

// workloadNamed is the workload of KIND/NAME=IMAGE, in all the spellings of kubectl; nothing for an empty name.
func (o *options) workloadNamed(ctx context.Context, client *cluster.Client, name string) (manifest.Ref, error) {
	if name == "" {
		return manifest.Ref{}, nil
	}
	refs, err := client.Names(ctx, []string{name})
	switch gate.OutcomeOf(err) {
	case gate.Passed:
		return refs[0], nil
	case gate.Internal, gate.Refused:
		return manifest.Ref{}, &usageError{"reading --for-image: " + err.Error(), ""}
	}
	return manifest.Ref{}, err
}

// mayHaveImages tells whether an object has a pod template, or may have one when it is there.
func mayHaveImages(t rollout.Target) bool {
	if t.Applied != nil {
		return len(rollout.Images(t.Applied)) > 0
	}
	k, known := rollout.KindOf(t.Ref.GroupKind())
	return !known || k.Spec != nil
}
