package manifest

import "testing"

// TestAskForOrigins: one option is added to the text, and every other byte stays.
func TestAskForOrigins(t *testing.T) {
	const option = "buildMetadata: [originAnnotations]"
	tests := []struct {
		name, text, want string
		asked            bool
	}{
		{"block", "# a\nresources:\n- a.yaml # b\n", "# a\n" + option + "\nresources:\n- a.yaml # b\n", false},
		{"marker", "---\nresources: [a]\n", "---\n" + option + "\nresources: [a]\n", false},
		{"indented", "  resources: [a]\n  namespace: on\n", "  " + option + "\n  resources: [a]\n  namespace: on\n", false},
		{"no line end", "namePrefix: 2025-08-05", option + "\nnamePrefix: 2025-08-05", false},
		{"CRLF", "resources:\r\n- a\r\n", option + "\nresources:\r\n- a\r\n", false},
		{"flow", "{resources: [a], mode: 0644}\n", "{" + option + ", resources: [a], mode: 0644}\n", false},
		{"JSON", "{\n \"resources\": [\"a\"]\n}\n", "{" + option + ", \n \"resources\": [\"a\"]\n}\n", false},
		{"empty flow", "{}\n", "{" + option + ", }\n", false},
		{"other options", "buildMetadata: [managedByLabel]\n", "buildMetadata: [originAnnotations, managedByLabel]\n", false},
		{"other options in lines", "buildMetadata:\n  - managedByLabel\n", "buildMetadata:\n  - originAnnotations\n  - managedByLabel\n", false},
		{"other options at the margin", "buildMetadata:\n- managedByLabel\n", "buildMetadata:\n- originAnnotations\n- managedByLabel\n", false},
		{"asked", "buildMetadata: [originAnnotations]\n", "buildMetadata: [originAnnotations]\n", true},
		{"no options", "buildMetadata: []\n", "buildMetadata: [originAnnotations, ]\n", false},
		{"null", "buildMetadata:\nresources: []\n", "buildMetadata:\nresources: []\n", false},
		{"broken", "resources: [\n", "resources: [\n", false},
		{"not a mapping", "- a\n", "- a\n", false},
		{"nothing", "", "", false},
		{"behind a mark", "\ufeffresources: [a]\n", "\ufeff" + option + "\nresources: [a]\n", false},
	}
	for _, test := range tests {
		with, asked := askForOrigins([]byte(test.text))
		if string(with) != test.want || asked != test.asked {
			t.Errorf("%s: got %q, %v, want %q, %v", test.name, with, asked, test.want, test.asked)
		}
	}
}
