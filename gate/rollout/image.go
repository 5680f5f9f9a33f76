package rollout

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Images are those of the containers and init containers in an object's pod template, in their order, each once. Kinds
// without a row are taken to have the template where most have it.
func Images(o Object) []string {
	var images []string
	add := func(image string) {
		if image != "" && !slices.Contains(images, image) {
			images = append(images, image)
		}
	}
	if t := PodTemplate(o); t != nil {
		for _, c := range slices.Concat(t.Spec.InitContainers, t.Spec.Containers) {
			add(c.Image)
		}
		return images
	}
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return nil
	}
	for _, field := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", field)
		for _, c := range containers {
			container, _ := c.(map[string]any)
			image, _ := container["image"].(string)
			add(image)
		}
	}
	return images
}

// HasImage tells whether one of an object's images is the wanted one.
func HasImage(o Object, wanted string) bool {
	return slices.ContainsFunc(Images(o), func(image string) bool { return sameImage(image, wanted) })
}

// sameImage compares an image with a wanted one, as a container runtime understands both. A wanted digest counts alone;
// without one the tag does, whatever digest the image has beside it.
func sameImage(image, wanted string) bool {
	is, want := parseImage(image), parseImage(wanted)
	switch {
	case is.repository != want.repository:
		return false
	case want.digest != "":
		return is.digest == want.digest
	}
	return is.tag == want.tag
}

type parsedImage struct{ repository, tag, digest string }

// parseImage takes an image apart, with what is left out filled in: the registry docker.io, its folder library, and the
// tag latest where there is no digest either.
func parseImage(image string) (p parsedImage) {
	p.repository, p.digest, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(p.repository, ':'); colon > strings.LastIndexByte(p.repository, '/') {
		p.repository, p.tag = p.repository[:colon], p.repository[colon+1:]
	}
	if p.tag == "" && p.digest == "" {
		p.tag = "latest"
	}
	registry, rest, hasFolder := strings.Cut(p.repository, "/")
	if !hasFolder || !strings.ContainsAny(registry, ".:") && registry != "localhost" {
		registry, rest = "docker.io", p.repository
	}
	if registry == "index.docker.io" {
		registry = "docker.io"
	}
	if registry == "docker.io" && !strings.Contains(rest, "/") {
		rest = "library/" + rest
	}
	p.repository = registry + "/" + rest
	return p
}

// Runs tells whether every wanted image is in an object's pod template.
func Runs(o Object, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(image string) bool { return !HasImage(o, image) })
}

// LastWrite is the time of the newest write by anybody but a controller of the control plane, as far as the records of
// field owners tell; without any it is when the object was created.
func LastWrite(o Object) time.Time {
	newest := o.GetCreationTimestamp().Time
	for _, m := range o.GetManagedFields() {
		if m.Subresource == "" && m.Manager != "kube-controller-manager" && m.Time != nil && m.Time.After(newest) {
			newest = m.Time.Time
		}
	}
	return newest
}
