package drill

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Fault is a way for a release to be bad.
type Fault struct {
	Name string
	// What is what the variant has that is wrong, in words.
	What string
	// NeedsCriteria says that only metrics show it.
	NeedsCriteria bool

	breaks func(container map[string]any, o Options) error
}

// Options are what faults depend on.
type Options struct {
	Timeout time.Duration // of the run, which a slow start has to pass
	// ErrorsWith is the variable that makes the program answer with errors, as NAME=VALUE; empty when nobody has said.
	ErrorsWith string
}

// tag is one that nobody has pushed.
const tag = "rolloutgate-drill-missing"

// program is one that no image has. An image without a shell has none that fails, so one that is not there has to do.
const program = "/rolloutgate-drill/no-such-program"

// Faults are all that can be tried, in the order of a release's life.
func Faults() []Fault {
	return []Fault{
		{Name: "image", What: "an image that was never pushed", breaks: missingImage},
		{Name: "crash", What: "a program that cannot be started", breaks: missingProgram},
		{Name: "probe", What: "a readiness probe of a port where nobody listens", breaks: deafProbe},
		{Name: "slow", What: "a start that takes longer than the timeout", breaks: slowStart},
		{Name: "errors", What: "a program that answers with errors", NeedsCriteria: true, breaks: errorsInAnswers},
	}
}

// Names are those of the faults.
func Names() []string {
	var names []string
	for _, f := range Faults() {
		names = append(names, f.Name)
	}
	return names
}

// Find returns the faults with these names, in the order of [Faults].
func Find(names []string) ([]Fault, error) {
	var found []Fault
	for _, name := range names {
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%q is none of %s", name, strings.Join(Names(), ", "))
		}
	}
	for _, f := range Faults() {
		if slices.Contains(names, f.Name) {
			found = append(found, f)
		}
	}
	return found, nil
}

// Break is a copy with the fault, in its first container.
func (f Fault) Break(c Copy, o Options) (*unstructured.Unstructured, error) {
	variant := c.Object.DeepCopy()
	containers := containersOf(variant)
	if len(containers) == 0 {
		return nil, errors.New("the workload has no container")
	}
	container, _ := containers[0].(map[string]any)
	if err := f.breaks(container, o); err != nil {
		return nil, err
	}
	return variant, unstructured.SetNestedSlice(variant.Object, containers, "spec", "template", "spec", "containers")
}

func missingImage(container map[string]any, _ Options) error {
	image, _ := container["image"].(string)
	container["image"] = repository(image) + ":" + tag
	return nil
}

func missingProgram(container map[string]any, _ Options) error {
	container["command"] = []any{program}
	delete(container, "args")
	return nil
}

// deafProbe probes the first port that the container does not list; nobody listens on those below 10.
func deafProbe(container map[string]any, _ Options) error {
	port := int64(1)
	for taken := portsOf(container); taken[port]; {
		port++
	}
	container["readinessProbe"] = map[string]any{
		"tcpSocket": map[string]any{"port": port}, "periodSeconds": int64(1), "failureThreshold": int64(1),
	}
	return nil
}

// slowStart keeps what the probe asks, and begins to ask when the time is up.
func slowStart(container map[string]any, o Options) error {
	probe, _ := container["readinessProbe"].(map[string]any)
	if probe == nil {
		probe = map[string]any{"tcpSocket": map[string]any{"port": int64(1)}} // never asked
	}
	probe["initialDelaySeconds"] = int64((o.Timeout + time.Minute) / time.Second)
	container["readinessProbe"] = probe
	return nil
}

func errorsInAnswers(container map[string]any, o Options) error {
	name, value, ok := strings.Cut(o.ErrorsWith, "=")
	if !ok || name == "" {
		return errors.New("nobody has said which variable makes the program answer with errors")
	}
	env, _ := container["env"].([]any)
	env = slices.DeleteFunc(env, func(e any) bool {
		m, _ := e.(map[string]any)
		return m["name"] == name
	})
	container["env"] = append(env, map[string]any{"name": name, "value": value})
	return nil
}
