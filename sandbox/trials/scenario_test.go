package main

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// read renders a manifest and parses it as the API server would; a field that it does not know is an error.
func read(t *testing.T, w workload) appsv1.Deployment {
	t.Helper()
	text, err := w.manifest()
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.UnmarshalStrict([]byte(text), &d); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return d
}

func TestManifests(t *testing.T) {
	names := map[string]bool{}
	for _, s := range scenarios() {
		if names[s.name] {
			t.Errorf("there are two scenarios %s", s.name)
		}
		names[s.name] = true
		before, after := read(t, s.before), read(t, s.after)
		if before.Name != service || after.Name != service || before.Spec.Template.Labels["release"] != "v1" || after.Spec.Template.Labels["release"] != "v2" {
			t.Errorf("%s: the versions are %s and %s", s.name, before.Spec.Template.Labels["release"], after.Spec.Template.Labels["release"])
		}
		ports := map[int32]bool{}
		for _, c := range after.Spec.Template.Spec.Containers {
			port := c.Ports[0].ContainerPort
			if ports[port] || c.ReadinessProbe.HTTPGet.Port.IntVal != port {
				t.Errorf("%s: container %s has the port %d", s.name, c.Name, port)
			}
			ports[port] = true
			if _, faulty := s.onset[c.Name]; faulty == s.quiet() {
				t.Errorf("%s: the onset of container %s is not as the scenario is", s.name, c.Name)
			}
			if !s.quiet() && s.onset[c.Name] != begins(c.Env) {
				t.Errorf("%s: the onset of container %s is not that of its environment", s.name, c.Name)
			}
		}
		if s.neighbour != nil && read(t, *s.neighbour).Name == service {
			t.Errorf("%s: the neighbour is the service itself", s.name)
		}
	}
}

// begins is when the fault of a container begins, by its environment.
func begins(env []corev1.EnvVar) (d time.Duration) {
	for _, v := range env {
		if v.Name == "ERROR_AFTER" || v.Name == "LATENCY_AFTER" {
			d, _ = time.ParseDuration(v.Value)
		}
	}
	return d
}

func TestSharedState(t *testing.T) {
	w := byName(t, "healthy-noisy").after
	w.Memory = "/some/where"
	d := read(t, w)
	if d.Spec.MinReadySeconds != 4 || d.Spec.Template.Spec.Volumes[0].HostPath.Path != "/some/where" ||
		d.Spec.Template.Spec.Containers[0].VolumeMounts[0].MountPath != "/state" {
		t.Errorf("got %+v", d.Spec)
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(nil); err != nil || len(all) != len(scenarios()) {
		t.Errorf("got %d, %v", len(all), err)
	}
	if _, err := choose([]string{"error-burst", "nothing"}); err == nil || !strings.Contains(err.Error(), `no scenario "nothing"`) {
		t.Errorf("got %v", err)
	}
}
