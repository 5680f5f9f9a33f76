package pki

import (
	"encoding/base64"
	"fmt"
	"os"
)

// Kubeconfig writes a kubeconfig file at path that reaches server as the
// identity issued under the given file name. Everything is embedded, so the
// file can be copied.
func (a *Authority) Kubeconfig(path, server, file string) error {
	var data [3]string
	for i, name := range []string{"ca.crt", file + ".crt", file + ".key"} {
		raw, err := os.ReadFile(a.Path(name))
		if err != nil {
			return fmt.Errorf("writing kubeconfig of %s: %w", file, err)
		}
		data[i] = base64.StdEncoding.EncodeToString(raw)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: sandbox
clusters:
- name: sandbox
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: sandbox
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: sandbox
  context:
    cluster: sandbox
    user: sandbox
    namespace: default
`, server, data[0], data[1], data[2])
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing kubeconfig of %s: %w", file, err)
	}
	return nil
}
