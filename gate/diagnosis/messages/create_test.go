package messages

import "testing"

func TestParseCreateFailure(t *testing.T) {
	for _, c := range []struct {
		text, want string
		claim      bool
	}{
		{`Error creating: pods "web-new-x" is forbidden: a mood`, "forbidden: a mood", false},
		{`create Pod web-0 in StatefulSet web failed error: pods "web-0" is forbidden: unable to create new content in namespace shop because it is being terminated`,
			"forbidden: unable to create new content in namespace shop because it is being terminated", false},
		{`create Claim data-web-0 for Pod web-0 in StatefulSet web failed error: persistentvolumeclaims "data-web-0" is forbidden: exceeded quota: storage`,
			`persistentvolumeclaims "data-web-0" is forbidden: exceeded quota: storage`, true},
		{`create Pod web-0 in StatefulSet web failed error: failed to create PVC data-web-0: persistentvolumeclaims "data-web-0" is forbidden: exceeded quota: storage`,
			`persistentvolumeclaims "data-web-0" is forbidden: exceeded quota: storage`, true},
		// Of several claims each needs its name.
		{`create Pod web-0 in StatefulSet web failed error: [failed to create PVC data-web-0: persistentvolumeclaims "data-web-0" is forbidden: a mood, failed to create PVC logs-web-0: persistentvolumeclaims "logs-web-0" is forbidden: a mood]`,
			`[failed to create PVC data-web-0: persistentvolumeclaims "data-web-0" is forbidden: a mood, failed to create PVC logs-web-0: persistentvolumeclaims "logs-web-0" is forbidden: a mood]`, true},
		{`Failed to create new replica set "web-7d9f": replicasets.apps "web-7d9f" is forbidden: exceeded quota: objects`, `replicasets.apps "web-7d9f" is forbidden: exceeded quota: objects`, false},
		{`pods "web-new-x" is forbidden: a mood`, "forbidden: a mood", false}, // the condition ReplicaFailure has no prefix
		{"", "", false},
	} {
		f := ParseCreateFailure(c.text)
		if got := WithoutPodName(f.Answer); got != c.want || f.Claim != c.claim {
			t.Errorf("%s\n got %q, claim %t\nwant %q, claim %t", c.text, got, f.Claim, c.want, c.claim)
		}
	}
}
