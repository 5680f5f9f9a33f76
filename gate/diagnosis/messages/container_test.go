package messages

import "testing"

func TestParseRootUser(t *testing.T) {
	for text, want := range map[string]RootUser{
		`container has runAsNonRoot and image will run as root (pod: "web-8467c5c57f-m485z_shop(uid-3)", container: web)`:                                            {},
		`container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root (pod: "web-5956669fc-h5qtk_shop(uid-3)", container: web)`: {Named: "nginx"},
		`container's runAsUser breaks non-root policy (pod: "web-new-a_shop(uid-web-new-a)", container: web)`:                                                        {Asked: true},
	} {
		if got, ok := ParseRootUser(text); !ok || got != want {
			t.Errorf("%s: got %+v, %t", text, got, ok)
		}
	}
	if got, ok := ParseRootUser(`secret "web-secret" not found`); ok {
		t.Errorf("a missing Secret is no user: %+v", got)
	}
}

func TestSubPath(t *testing.T) {
	for text, want := range map[string]string{
		`failed to prepare subPath for volumeMount "data" of container "web"`:          "data",
		`failed to create subPath directory for volumeMount "data" of container "web"`: "data",
		"error SubPath `/etc` must not be an absolute path":                            "",
	} {
		if got, ok := SubPath(text); !ok || got != want {
			t.Errorf("%s: got %q, %t", text, got, ok)
		}
	}
	if _, ok := SubPath(`secret "web-secret" not found`); ok {
		t.Error("a missing Secret is no subPath")
	}
}

func TestSaysKubeletLags(t *testing.T) {
	for text, want := range map[string]bool{
		"failed to sync secret cache: timed out waiting for the condition":        true,
		"failed to sync configmap cache: timed out waiting for the condition":     true,
		"services have not yet been read at least once, cannot construct envvars": true,
		`configmap "web-config" not found`:                                        false,
	} {
		if got := SaysKubeletLags(text); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
