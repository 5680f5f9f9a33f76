package rights

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// Account is who gets the rights: a ServiceAccount.
type Account struct{ Namespace, Name string }

// placeholder is the account for whoever names none.
const placeholder = "deployer"

// name is what the Roles and bindings are called. A ClusterRole's name has the run's namespace in it: each team has its own.
const name = "rolloutgate"

// YAML are the Roles that grant the rights, one for each namespace and a ClusterRole if one is needed, each with its
// binding to the account. An account without a name is a placeholder in the namespace of the run.
func YAML(all []Right, account Account, namespace string) string {
	var b strings.Builder
	b.WriteString("# What an account needs for this run. Discovery, OpenAPI and the question what it may do are open to every account.\n")
	var places []string
	for _, r := range all {
		if !slices.Contains(places, r.Namespace) {
			places = append(places, r.Namespace)
		}
	}
	slices.Sort(places)
	if len(places) > 0 && places[0] == "" { // the whole cluster comes last: it is the least of it
		places = append(places[1:], "")
	}
	for _, place := range places {
		b.WriteString(role(all, place, namespace))
		b.WriteString(binding(place, account, namespace))
	}
	return b.String()
}

// role is the Role of one namespace, or the ClusterRole.
func role(all []Right, place, namespace string) string {
	var b strings.Builder
	b.WriteString("---\napiVersion: rbac.authorization.k8s.io/v1\n")
	b.WriteString(metadata("Role", place, namespace))
	b.WriteString("rules:\n")
	for _, optional := range []bool{false, true} {
		for i, r := range all {
			if r.Namespace != place || r.Optional() != optional {
				continue
			}
			if !slices.ContainsFunc(all[:i], func(o Right) bool { return o.Namespace == place && o.Purpose == r.Purpose }) {
				b.WriteString(comment(r))
			}
			fmt.Fprintf(&b, "  - apiGroups: [%s]\n    resources: [%s]\n    verbs: [%s]\n",
				quoted(r.Group), strings.Join(quotedAll(r.Resources), ", "), strings.Join(r.Verbs, ", "))
		}
	}
	return b.String()
}

func metadata(kind, place, namespace string) string {
	if place == "" {
		return fmt.Sprintf("kind: Cluster%s\nmetadata:\n  name: %s-%s\n", kind, name, namespace)
	}
	return fmt.Sprintf("kind: %s\nmetadata:\n  name: %s\n  namespace: %s\n", kind, name, quoted(place))
}

func binding(place string, account Account, namespace string) string {
	var b strings.Builder
	b.WriteString("---\napiVersion: rbac.authorization.k8s.io/v1\n")
	b.WriteString(metadata("RoleBinding", place, namespace))
	kind, of := "Role", name
	if place == "" {
		kind, of = "ClusterRole", name+"-"+namespace
	}
	fmt.Fprintf(&b, "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: %s\n  name: %s\nsubjects:\n", kind, of)
	if account.Name == "" {
		account = Account{namespace, placeholder}
		b.WriteString("  # Put the account of your pipeline here; --service-account NAMESPACE/NAME does it for you.\n")
	}
	fmt.Fprintf(&b, "  - kind: ServiceAccount\n    name: %s\n    namespace: %s\n", quoted(account.Name), quoted(account.Namespace))
	return b.String()
}

// width is how wide comments get, in bytes.
const width = 110

// comment says why a right is needed, and what is lost without it.
func comment(r Right) string {
	text := "To " + r.Purpose + "."
	if r.Optional() {
		text += " Without it: " + r.Without + "."
	}
	if r.Beware != "" {
		text += " Beware: " + r.Beware + "."
	}
	var b strings.Builder
	line := "  #"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			b.WriteString(line + "\n")
			line = "  #"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}

// quoted is text as a value of YAML, with quotes where it would be read as something else.
func quoted(text string) string {
	data, err := yaml.Marshal(text)
	if err != nil { // no string is without a form
		return fmt.Sprintf("%q", text)
	}
	return strings.TrimSpace(string(data))
}

func quotedAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, t := range texts {
		out[i] = quoted(t)
	}
	return out
}
