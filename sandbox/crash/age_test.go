package main

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

func TestAged(t *testing.T) {
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	renewed := metav1.NewMicroTime(now.Time)
	lease := coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "l", ResourceVersion: "7", CreationTimestamp: now, ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m", Time: &now}}},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &renewed},
	}
	for _, mediaType := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		for _, object := range []runtime.Object{&lease, &coordinationv1.LeaseList{Items: []coordinationv1.Lease{lease}}} {
			info, _ := runtime.SerializerInfoForMediaType(scheme.Codecs.SupportedMediaTypes(), mediaType)
			body, err := runtime.Encode(scheme.Codecs.EncoderForVersion(info.Serializer, coordinationv1.SchemeGroupVersion), object)
			if err != nil {
				t.Fatal(err)
			}
			if body, err = aged(body, mediaType, 2*time.Minute); err != nil {
				t.Fatal(err)
			}
			decoded, err := runtime.Decode(scheme.Codecs.UniversalDeserializer(), body)
			if err != nil {
				t.Fatal(err)
			}
			got, one := decoded.(*coordinationv1.Lease)
			if !one {
				got = &decoded.(*coordinationv1.LeaseList).Items[0]
			}
			for what, is := range map[string]time.Time{"made": got.CreationTimestamp.Time, "written": got.ManagedFields[0].Time.Time, "renewed": got.Spec.RenewTime.Time} {
				if want := now.Add(-2 * time.Minute); !is.Equal(want) {
					t.Errorf("%s, %T: %s at %s, not %s", mediaType, object, what, is, want)
				}
			}
			if got.ResourceVersion != "7" {
				t.Errorf("it is version %q now", got.ResourceVersion)
			}
		}
	}
}
