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

// awaitedImage is one value of --for-image: an image, and the workload that is to have it, if one is named.
type awaitedImage struct {
	workload, image string
	named           bool
}

// awaitedImages reads --for-image, for so many workloads.
func (o *options) awaitedImages(workloads int) ([]awaitedImage, error) {
	var all []awaitedImage
	unnamed := 0
	for _, text := range o.forImages {
		a := awaitedImage{image: text}
		if name, image, named := strings.Cut(text, "="); named {
			a = awaitedImage{name, image, true}
		} else {
			unnamed++
		}
		if a.image == "" || a.named && !strings.Contains(a.workload, "/") || strings.ContainsFunc(text, unicode.IsSpace) {
			return nil, &usageError{fmt.Sprintf("reading --for-image: %q is neither IMAGE nor KIND/NAME=IMAGE", text), "for example registry.example/shop/web:v2, or deployment/web=registry.example/shop/web:v2"}
		}
		if unnamed > 1 && workloads > 1 {
			return nil, &usageError{fmt.Sprintf("reading --for-image: which of the %d workloads is %s for?", workloads, a.image), "say so, as in deployment/web=" + a.image}
		}
		all = append(all, a)
	}
	return all, nil
}

// await gives the targets the images that are to be waited for.
func await(ctx context.Context, client *cluster.Client, images []awaitedImage, targets []rollout.Target) error {
	for _, a := range images {
		of, err := workloadNamed(ctx, client, a.workload)
		if err != nil {
			return err
		}
		found := false
		for i := range targets {
			t := &targets[i]
			if a.named && t.Ref != of {
				continue
			}
			if found = true; !mayHaveImages(*t) {
				return &usageError{fmt.Sprintf("reading --for-image: %s has no pod template", t.Ref), "say which workload it is for, as in deployment/web=" + a.image}
			}
			t.Awaited = append(t.Awaited, a.image)
		}
		if !found {
			return &usageError{fmt.Sprintf("reading --for-image: %s is not among the workloads to watch", a.workload), "name it as an argument, too"}
		}
	}
	return nil
}

// workloadNamed is the workload of KIND/NAME=IMAGE, in all the spellings of kubectl; nothing for an empty name.
func workloadNamed(ctx context.Context, client *cluster.Client, name string) (manifest.Ref, error) {
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
