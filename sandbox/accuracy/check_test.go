package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

func TestCheckOfAnObject(t *testing.T) {
	const web = "{spec: {replicas: 3, ports: [{protocol: TCP}, {protocol: UDP}]}, metadata: {annotations: {example.com/a: b}}}"
	for text, want := range map[string]string{
		`{path: "{.spec.replicas}", is: "3"}`:                      "",
		`{path: "{.spec.replicas}", is: "2"}`:                      `{.spec.replicas} of service/web is "3", not "2"`,
		`{path: "{.spec.replicas}", not: "3"}`:                     `{.spec.replicas} of service/web is "3"`,
		`{path: "{.spec.replicas}", atLeast: 3}`:                   "",
		`{path: "{.spec.replicas}", atLeast: 4}`:                   `{.spec.replicas} of service/web is "3", less than 4`,
		`{path: "{.spec.none}", atLeast: 1}`:                       `{.spec.none} of service/web is "", less than 1`,
		`{path: "{.spec.none}", is: ""}`:                           "",
		`{path: "{.spec.ports[*].protocol}", is: TCP UDP}`:         "",
		`{path: "{.metadata.annotations.example\\.com/a}", is: b}`: "",
		`{absent: true}`: "there is a service/web",
	} {
		var c check
		if err := yaml.Unmarshal([]byte(text), &c); err != nil {
			t.Fatal(err)
		}
		c.Of = "service/web"
		if err := c.check(); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := ""
		if err := c.holds(object(t, web)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	if err := (check{Of: "pod/a", Absent: true}).holds(nil); err != nil {
		t.Error(err)
	}
	if err := (check{Of: "pod/a", Path: "{.a}", Is: new(string)}).holds(nil); err == nil {
		t.Error("an object that is not there has no fields")
	}
}

func TestResourceOf(t *testing.T) {
	for of, want := range map[string]string{
		"deployment/web":                     "apps/v1 deployments web",
		"certificates.v1.cert.example.com/a": "cert.example.com/v1 certificates a",
		"deployments/web":                    "",
		"deployment":                         "",
	} {
		resource, name, ok := resourceOf(of)
		got := ""
		if ok {
			got = fmt.Sprintf("%s/%s %s %s", resource.Group, resource.Version, resource.Resource, name)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", of, got, want)
		}
	}
}

// TestReaderLeaves: the program has to see that nobody reads any more, and what was read until then is kept.
func TestReaderLeaves(t *testing.T) {
	var output bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", "-c", `trap '' PIPE; echo one; echo watch: two; sleep 0.5; echo three || exit 7`)
	finish, err := (&reader{Both: true, Leaves: "watch:"}).readBy(cmd, &output)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Run()
	finish()
	if exit := cmd.ProcessState.ExitCode(); exit != 7 || output.String() != "one\nwatch: two\n" {
		t.Errorf("exit %d after %q", exit, output.String())
	}
}
