package messages

import "testing"

func TestMissing(t *testing.T) {
	readers := map[string]func(string) (Missing, bool){"object": MissingObject, "key": MissingKey, "volume key": MissingVolumeKey}
	for _, c := range []struct {
		text, by string
		want     Missing
	}{
		{`configmap "web-config" not found`, "object", Missing{Kind: "ConfigMap", Name: "web-config"}},
		{`secret "web-secret" not found`, "object", Missing{Kind: "Secret", Name: "web-secret"}},
		{`MountVolume.SetUp failed for volume "all" : secret "tls" not found`, "object", Missing{Kind: "Secret", Name: "tls"}},
		{`couldn't find key moode in ConfigMap shop/settings`, "key", Missing{Kind: "ConfigMap", Name: "settings", Key: "moode"}},
		{`couldn't find key tokn in Secret shop/db`, "key", Missing{Kind: "Secret", Name: "db", Key: "tokn"}},
		{`MountVolume.SetUp failed for volume "settings" : configmap references non-existent config key: app.yml`, "volume key", Missing{Kind: "ConfigMap", Key: "app.yml"}},
		{`MountVolume.SetUp failed for volume "tls" : references non-existent secret key: tls.crt`, "volume key", Missing{Kind: "Secret", Key: "tls.crt"}},
		{`failed to sync configmap cache: timed out waiting for the condition`, "", Missing{}},
	} {
		for by, read := range readers {
			if got, ok := read(c.text); ok != (by == c.by) || ok && got != c.want {
				t.Errorf("%s, %s: got %+v, %t", c.text, by, got, ok)
			}
		}
	}
}
