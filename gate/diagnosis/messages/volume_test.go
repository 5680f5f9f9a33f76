package messages

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseMount(t *testing.T) {
	for _, c := range []struct {
		text string
		want Mount
	}{
		{`MountVolume.SetUp failed for volume "config" : configmap "web-config" not found`, Mount{"MountConfigMissing", "config", `configmap "web-config" not found`}},
		{`MountVolume.SetUp failed for volume "settings" : configmap references non-existent config key: app.yml`, Mount{"MountConfigMissing", "settings", "configmap references non-existent config key: app.yml"}},
		{`MountVolume.SetUp failed for volume "config" : failed to sync configmap cache: timed out waiting for the condition`, Mount{"ConfigCacheSync", "config", "failed to sync configmap cache: timed out waiting for the condition"}},
		{`MountVolume.SetUp failed for volume "socket" : hostPath type check failed: /run/docker.sock is not a socket file`, Mount{"HostPathTypeMismatch", "socket", "hostPath type check failed: /run/docker.sock is not a socket file"}},
		{`MountVolume.MountDevice failed for volume "pvc-1" : kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ebs.csi.aws.com not found in the list of registered CSI drivers`,
			Mount{"CsiDriverMissing", "pvc-1", "kubernetes.io/csi: attacher.MountDevice failed to create newCsiDriverClient: driver name ebs.csi.aws.com not found in the list of registered CSI drivers"}},
		{`Waiting for detach for volume "pvc-1" Volume is already used by pod(s) web-old-a`, Mount{"MultiAttach", "", `Waiting for detach for volume "pvc-1" Volume is already used by pod(s) web-old-a`}},
		{`AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = Internal desc = timed out waiting for detach of disk-1`,
			Mount{"MountFailed", "", `AttachVolume.Attach failed for volume "pvc-1" : rpc error: code = Internal desc = timed out waiting for detach of disk-1`}},
		{`Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) web-old-a`, Mount{"MultiAttach", "", `Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) web-old-a`}},
		{"MountVolume.SetUp failed for volume \"media\" : mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs files.example:/exports/media /var/lib/kubelet/pods/x/volumes/kubernetes.io~nfs/media\nOutput: mount.nfs: access denied by server while mounting files.example:/exports/media",
			Mount{"MountFailed", "media", "mount failed: exit status 32: mount.nfs: access denied by server while mounting files.example:/exports/media"}},
		{`Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition`,
			Mount{"MountFailed", "", "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition"}},
		{"", Mount{Code: "MountFailed"}},
	} {
		if got := ParseMount(c.text); got != c.want {
			t.Errorf("%s\n got %+v\nwant %+v", c.text, got, c.want)
		}
	}
	if got := MissingDriver("driver name ebs.csi.aws.com not found in the list of registered CSI drivers"); got != "ebs.csi.aws.com" {
		t.Errorf("the driver is %q", got)
	}
}

func TestParseVolumeUsers(t *testing.T) {
	for text, want := range map[string]VolumeUsers{
		`Volume is already used by pod(s) web-old-a`:                                                                      {Pods: []string{"web-old-a"}},
		`Volume is already used by pod(s) web-old-a, web-old-b`:                                                           {Pods: []string{"web-old-a", "web-old-b"}},
		`Volume is already used by pod(s) web-old-a and 1 pod(s) in different namespaces`:                                 {Pods: []string{"web-old-a"}, Elsewhere: 1},
		`Volume is already used by 12 pod(s) in different namespaces`:                                                     {Elsewhere: 12},
		`Volume is already exclusively attached to one node and can't be attached to another`:                             {Gone: true},
		`Volume is already exclusively attached to one node, waiting on detach before it can be attached to another node`: {Gone: true},
		`disk-1 has a mood`: {},
	} {
		for _, head := range []string{"Multi-Attach error", "Waiting for detach"} {
			full := head + ` for volume "pvc-1" ` + text
			if diff := cmp.Diff(want, ParseVolumeUsers(full), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", full, diff)
			}
		}
	}
}

func TestMissingClass(t *testing.T) {
	for text, want := range map[string]string{
		`storageclass.storage.k8s.io "fast-sdd" not found`:                           "fast-sdd",
		`no persistent volumes available for this claim and no storage class is set`: "",
	} {
		if got, ok := MissingClass(text); !ok || got != want {
			t.Errorf("%s: got %q, %t", text, got, ok)
		}
	}
	waits := `Waiting for a volume to be created either by the external provisioner 'ebs.csi.aws.com' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`
	if class, ok := MissingClass(waits); ok {
		t.Errorf("a claim that waits has its class (%s)", class)
	}
	if got := Provisioner(waits); got != "ebs.csi.aws.com" {
		t.Errorf("the provisioner is %q", got)
	}
}
