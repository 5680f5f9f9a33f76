package diagnosis

import (
	"fmt"
	"slices"
	"strings"
)

// pullSecretMissing turns a refused pull into ImagePullSecretMissing when the kubelet did not find a pull secret. It
// says so also when the pull works without (as of Kubernetes 1.28); before, the names of the Secrets tell it, if they
// could be read.
func (s *facts) pullSecretMissing(f *Finding, p pull) {
	events := s.eventsAbout(p.container, "FailedToRetrieveImagePullSecret", "(")
	missing := s.absent(secretsOf(p))
	if len(events) > 0 {
		newest := events[len(events)-1]
		_, names, _ := strings.Cut(newest.Message, "(")
		names, _, _ = strings.Cut(names, ")")
		missing = strings.Split(names, ", ")
		f.Evidence = append(f.Evidence, newest.proof())
	}
	if len(missing) == 0 {
		return
	}
	names := strings.Join(missing, ", ")
	hint := ""
	if len(missing) == 1 {
		hint = meant(missing[0], s.Names["Secret"])
	}
	f.Code, f.Detail, f.FieldPath = "ImagePullSecretMissing", names, s.pullSecretField(missing[0])
	f.Cause = fmt.Sprintf("image %s of container %s needs a login, and pull secret %s does not exist in namespace %s%s", p.image, p.spec.Name, names, s.w.Ref.Namespace, hint)
	f.Fix = []string{fmt.Sprintf("create pull secret %s in namespace %s, or correct its name", names, s.w.Ref.Namespace)}
}

// secretsOf are the pull secrets of a pod; those of its service account are among them, the API server copies them.
func secretsOf(p pull) []string {
	var names []string
	for _, r := range p.pod.Spec.ImagePullSecrets {
		names = append(names, r.Name)
	}
	return names
}

// absent are the Secrets of which it is known that they do not exist.
func (s *facts) absent(secrets []string) []string {
	known := s.Names["Secret"]
	if known == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(secrets), func(name string) bool { return slices.Contains(known, name) })
}

// pullSecretField is where a pull secret is named: in the template, by its place, or by the service account.
func (s *facts) pullSecretField(name string) string {
	field := s.podPath + ".imagePullSecrets"
	if s.template == nil || len(s.template.Spec.ImagePullSecrets) == 0 {
		return s.podPath + ".serviceAccountName"
	}
	for i, r := range s.template.Spec.ImagePullSecrets {
		if r.Name == name {
			return fmt.Sprintf("%s[%d].name", field, i)
		}
	}
	return field
}

// pullSecretHint says what to check about the login, with what is known about the Secrets.
func (s *facts) pullSecretHint(p pull, host string) string {
	names := secretsOf(p)
	switch {
	case len(names) == 0:
		return "for a private image name a pull secret for " + host + " in " + s.podPath + ".imagePullSecrets or in the service account"
	case s.Names["Secret"] != nil:
		return fmt.Sprintf("pull secret %s exists: check that it is of type kubernetes.io/dockerconfigjson, for %s, and still valid", list(names), host)
	}
	return fmt.Sprintf("check that pull secret %s exists in the namespace and is for %s", list(names), host)
}
