package patch

import (
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// check returns the fields that have to stay as they are, because the result would be refused without them.
type check func() []fieldpath.Path

// checkOf returns what is to be asked of a struct of the result, by the name of its type; nil for most.
func checkOf(typeName string) func(at fieldpath.Path, result map[string]any, t three) []fieldpath.Path {
	switch typeName {
	case "io.k8s.api.core.v1.PodSpec":
		return checkPod
	case "io.k8s.api.core.v1.ServiceSpec":
		return checkServicePorts
	}
	return nil
}

// checkPod: what containers mount has to be there, and no two containers have one name. Somebody may have mounted a
// volume that this run added, or may have removed one that only this run's change had used no more.
func checkPod(at fieldpath.Path, result map[string]any, t three) []fieldpath.Path {
	var stay []fieldpath.Path
	volumes := namesIn(result["volumes"])
	live := namesIn(get(t.live, "volumes"))
	var seen []string
	for _, list := range []string{"initContainers", "containers"} {
		items, _ := result[list].([]any)
		for _, item := range items {
			container, _ := item.(map[string]any)
			name, _ := container["name"].(string)
			if slices.Contains(seen, name) {
				stay = append(stay, named(at, "containers", name), named(at, "initContainers", name))
			}
			seen = append(seen, name)
			mounts, _ := container["volumeMounts"].([]any)
			for _, mount := range mounts {
				fields, _ := mount.(map[string]any)
				volume, _ := fields["name"].(string)
				switch {
				case slices.Contains(volumes, volume):
				case slices.Contains(live, volume):
					stay = append(stay, named(at, "volumes", volume))
				default:
					stay = append(stay, into(into(named(at, list, name), fieldpath.FieldNameElement("volumeMounts")),
						fieldpath.KeyElementByFields("mountPath", fields["mountPath"])))
				}
			}
		}
	}
	return stay
}

// checkServicePorts: of several ports each has a name of its own.
func checkServicePorts(at fieldpath.Path, result map[string]any, _ three) []fieldpath.Path {
	ports, _ := result["ports"].([]any)
	if len(ports) < 2 {
		return nil
	}
	count := map[any]int{}
	for _, name := range namesIn(ports) {
		count[name]++
	}
	var stay []fieldpath.Path
	for _, item := range ports {
		port, _ := item.(map[string]any)
		if name, _ := port["name"].(string); name != "" && count[name] == 1 {
			continue
		}
		key := fieldpath.KeyElementByFields("port", port["port"], "protocol", port["protocol"])
		stay = append(stay, into(into(into(at, fieldpath.FieldNameElement("ports")), key), fieldpath.FieldNameElement("name")))
	}
	return stay
}

// namesIn lists the names of a list's items.
func namesIn(list any) []string {
	var names []string
	items, _ := list.([]any)
	for _, item := range items {
		fields, _ := item.(map[string]any)
		if name, ok := fields["name"].(string); ok {
			names = append(names, name)
		}
	}
	return names
}

func named(at fieldpath.Path, list, name string) fieldpath.Path {
	key := value.FieldList{{Name: "name", Value: value.NewValueInterface(name)}}
	return into(into(at, fieldpath.FieldNameElement(list)), fieldpath.PathElement{Key: &key})
}
