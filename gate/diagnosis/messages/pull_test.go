package messages

import (
	"testing"
)

// TestImageCode has pull errors of several runtimes and registries; the code must not depend on the wrapping, nor on
// what a repository is called.
func TestImageCode(t *testing.T) {
	for _, c := range []struct{ reason, text, image, want string }{
		{"ErrImagePull", `rpc error: code = NotFound desc = failed to pull and unpack image "r.example/web:9": failed to resolve reference "r.example/web:9": r.example/web:9: not found`, "r.example/web:9", "ImageNotFound"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:9": failed to resolve image: r.example/web:9: not found`, "r.example/web:9", "ImageNotFound"},   // containerd 2.1
		{"ErrImagePull", `rpc error: code = Unknown desc = reading manifest 9 in r.example/web: manifest unknown: manifest unknown`, "r.example/web:9", "ImageNotFound"}, // CRI-O
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: manifest for web:9 not found: manifest unknown: manifest unknown`, "web:9", "ImageNotFound"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: pull access denied for web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`, "web:9", "ImagePullDenied"},
		{"ErrImagePull", `failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=x: 403 Forbidden`, "ghcr.io/a/b:1", "ImagePullDenied"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:1": failed to resolve reference "r.example/web:1": no match for platform in manifest: not found`, "r.example/web:1", "ImagePlatformMismatch"},
		{"ErrImagePull", `no image found in image index for architecture "arm64", variant "v8", OS "linux"`, "r.example/web:1", "ImagePlatformMismatch"},
		{"ErrImagePull", `unexpected status from HEAD request to https://registry-1.docker.io/v2/library/nginx/manifests/1: 429 Too Many Requests\ntoomanyrequests: You have reached your pull rate limit as 'somebody'`, "nginx:1", "ImageRateLimited"},
		{"ErrImagePull", `failed to do request: Head "https://r.example/v2/web/manifests/1": dial tcp: lookup r.example: no such host`, "r.example/web:1", "RegistryUnreachable"},
		{"ErrImagePull", `unexpected status from HEAD request to https://r.example/v2/web/manifests/1: 503 Service Unavailable`, "r.example/web:1", "RegistryUnreachable"},
		{"ErrImagePull", `failed to do request: Head "https://r.example/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`, "r.example/web:1", "RegistryTls"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:1": failed to extract layer sha256:1: write /x: no space left on device`, "r.example/web:1", "ImageUnpackFailed"},
		{"SignatureValidationFailed", `SignatureValidationFailed: Source image rejected: none of the signatures were accepted`, "r.example/web:1", "ImageSignatureRejected"},
		{"ErrImageNeverPull", `Container image "r.example/web:1" is not present with pull policy of Never`, "r.example/web:1", "ImageNeverPull"},
		{"InvalidImageName", `Failed to apply default image tag "R/Web": couldn't parse image name`, "R/Web", "ImageNameInvalid"},
		{"ErrImagePull", `something new`, "r.example/web:1", "ImagePullFailed"},
		// containerd's transfer service (2.1 and later) and its resolver (1.x, 2.0), as clusters reported them.
		{"ImagePullBackOff", `Back-off pulling image "registry.acme.io/payments/api:1.8.3": ErrImagePull: failed to pull and unpack image "registry.acme.io/payments/api:1.8.3": failed to resolve reference "registry.acme.io/payments/api:1.8.3": unexpected status from HEAD request to https://registry.acme.io/v2/payments/api/manifests/1.8.3: 401 Unauthorized`, "registry.acme.io/payments/api:1.8.3", "ImagePullDenied"},
		{"ErrImagePull", `failed to pull and unpack image "docker.io/scylladb/scylla:2025.1.5": failed to copy: httpReadSeeker: failed open: unexpected status code https://registry-1.docker.io/v2/scylladb/scylla/manifests/sha256:1: 429 Too Many Requests - Server message: toomanyrequests: You have reached your pull rate limit as 'somebody'`, "scylladb/scylla:2025.1.5", "ImageRateLimited"},
		{"ErrImagePull", `rpc error: code = Unknown desc = failed to pull and unpack image "r.example/a/b:1": failed to resolve reference "r.example/a/b:1": unexpected EOF`, "r.example/a/b:1", "RegistryUnreachable"},
		{"ErrImagePull", `failed to pull and unpack image "r.example/web:1": image verifier bindir blocked pull of r.example/web:1 with digest sha256:7b9a for reason: verifier cosign-verifier rejected image (exit code 1): REJECTED: no signatures found`, "r.example/web:1", "ImageSignatureRejected"},
		{"ErrImagePull", `blocking pull of r.example/web:1 with digest sha256:7b9a: image verifier bindir returned error: exec: timeout`, "r.example/web:1", "ImageSignatureRejected"},
		// CRI-O, which tries an artifact when the image does not come and repeats its words.
		{"ErrImagePull", `unable to pull image or OCI artifact: pull image err: initializing source docker://sispl-web:2.2.0.10: reading manifest 2.2.0.10 in docker.io/library/sispl-web: requested access to the resource is denied; artifact err: get manifest: build image source: reading manifest 2.2.0.10 in docker.io/library/sispl-web: requested access to the resource is denied`, "sispl-web:2.2.0.10", "ImagePullDenied"},
		{"ImagePullBackOff", `Back-off pulling image "rcr.example/ghcr/toxiproxy:2.12.0": ErrImagePull: unable to pull image or OCI artifact: pull image err: initializing source docker://rcr.example/ghcr/toxiproxy:2.12.0: reading manifest 2.12.0 in rcr.example/ghcr/toxiproxy: received unexpected HTTP status: 500 Internal Server Error`, "rcr.example/ghcr/toxiproxy:2.12.0", "RegistryUnreachable"},
		{"ErrImagePull", `unable to pull image or OCI artifact: pull image err: initializing source docker://rcr.example/a:1: pinging container registry rcr.example: Get "https://rcr.example/v2/": EOF`, "rcr.example/a:1", "RegistryUnreachable"},
		{"ImagePullBackOff", `Back-off pulling image "harbor.example.com/rocm/pytorch:bad-tag": ErrImagePull: initializing source docker://harbor.example.com/rocm/pytorch:bad-tag: reading manifest bad-tag in harbor.example.com/rocm/pytorch: unknown: resource not found`, "harbor.example.com/rocm/pytorch:bad-tag", "ImageNotFound"},
		{"SignatureValidationFailed", `SignatureValidationFailed: unable to pull image or OCI artifact: pull image err: copying system image from manifest list: Source image rejected: None of the signatures were accepted, reasons: cryptographic signature verification failed`, "registry.access.redhat.com/ubi9/ubi-micro:latest", "ImageSignatureRejected"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error reading manifest latest in docker.io/sonartype/nexus3: errors: denied: requested access to the resource is denied unauthorized: authentication required`, "sonartype/nexus3", "ImagePullDenied"},
		// cri-dockerd
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://gcr.io/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`, "gcr.io/a/b:1", "RegistryUnreachable"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout`, "edik/app:latest", "RegistryUnreachable"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io on 192.168.64.1:53: server misbehaving`, "docker.io/nginx:1.23", "RegistryUnreachable"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get "https://47.94.92.122:8082/v2/": http: server gave HTTP response to HTTPS client`, "47.94.92.122:8082/vue:1", "RegistryTls"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: Get https://registry-1.docker.io/v2/library/nginx/manifests/latest: unauthorized: incorrect username or password`, "nginx", "ImagePullDenied"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit`, "redis:latest", "ImageRateLimited"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: no matching manifest for linux/arm64/v8 in the manifest list entries`, "web:1", "ImagePlatformMismatch"},
		{"ErrImagePull", `rpc error: code = Unknown desc = failed to register layer: write /usr/lib/x.so: no space left on device`, "web:1", "ImageUnpackFailed"},
		// Clouds' registries
		{"ErrImagePull", `failed to resolve reference "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1": pulling from host 1234.dkr.ecr.eu-west-1.amazonaws.com failed with status code [manifests 1]: 403 Forbidden`, "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1", "ImagePullDenied"},
		{"ErrImagePull", `failed to resolve reference "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1": unexpected status code [manifests 1]: 401 Unauthorized: no basic auth credentials`, "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1", "ImagePullDenied"},
		{"ErrImagePull", `rpc error: code = Unknown desc = Error response from daemon: repository with name 'web' does not exist in the registry with id '1234': name unknown`, "1234.dkr.ecr.eu-west-1.amazonaws.com/web:1", "ImageNotFound"},
		{"ErrImagePull", `denied: Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/p/locations/l/repositories/r" (or it may not exist)`, "europe-docker.pkg.dev/p/r/web:1", "ImagePullDenied"},
		{"RegistryUnavailable", `image pull failed for r.example/web:1 because the registry is unavailable.`, "r.example/web:1", "RegistryUnreachable"},
		{"ImageInspectError", `Failed to inspect image "web:1": rpc error: code = Unknown desc = context canceled`, "web:1", "ImageInspectFailed"},
		// Names that look like errors.
		{"ErrImagePull", `failed to resolve reference "r.example/forbidden/denied:404": r.example/forbidden/denied:404: not found`, "r.example/forbidden/denied:404", "ImageNotFound"},
		{"ErrImagePull", `Head "https://r.example/v2/certificate/manifests/503": i/o timeout`, "r.example/certificate:503", "RegistryUnreachable"},
	} {
		if got := ImageCode(c.reason, c.text, c.image); got != c.want {
			t.Errorf("%s\n got %s, want %s", c.text, got, c.want)
		}
	}
}

// TestPullWords: what is quoted is the innermost part, without what an address may be signed with.
func TestPullWords(t *testing.T) {
	for text, want := range map[string]string{
		`unable to pull image or OCI artifact: pull image err: initializing source docker://a/b:1: reading manifest 1 in docker.io/a/b: requested access to the resource is denied; artifact err: get manifest: build image source: reading manifest 1 in docker.io/a/b: requested access to the resource is denied`: "requested access to the resource is denied",
		`Back-off pulling image "a/b:1": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/a/b:1": failed to resolve reference "docker.io/a/b:1": docker.io/a/b:1: not found`:                                                                                               "docker.io/a/b:1: not found",
		`unexpected status from GET request to https://r.example/v2/a/blobs/sha256:1?X-Amz-Signature=abc&x=y: 403 Forbidden`:                                                                                                                                                                                         "unexpected status from GET request to https://r.example/v2/a/blobs/sha256:1: 403 Forbidden",
		`Back-off pulling image "a/b:1"`: "no reason given",
	} {
		if got := PullWords(text); got != want {
			t.Errorf("%s\n got %q, want %q", text, got, want)
		}
	}
}
