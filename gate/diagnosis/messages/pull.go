package messages

import (
	"regexp"
	"strings"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// imageTests tell pull errors apart, in this order: a missing platform also says "not found", Docker Hub's missing
// repositories say "denied". The texts are those of containerd (1.x and its 2.x transfer service), CRI-O and
// cri-dockerd; they are searched, never anchored, because each runtime wraps them differently.
var imageTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"ImageNameInvalid", regexp.MustCompile(`(?i)invalidimagename|invalid reference format|couldn't parse image (name|reference)|must be lowercase`)},
	{"ImagePlatformMismatch", regexp.MustCompile(`(?i)no match for platform in manifest|no matching manifest for|no image found in (manifest list|image index) for architecture|does not match the specified platform|image operating system .* cannot be used on this platform`)},
	{"ImageSignatureRejected", regexp.MustCompile(`(?i)signaturevalidationfailed|signature validation|image verifier|blocking pull of|source image rejected`)},
	{"ImageRateLimited", regexp.MustCompile(`(?i)toomanyrequests|too many requests|\b429\b|rate limit|quota exceeded for quota metric`)},
	{"RegistryTls", regexp.MustCompile(`(?i)x509:|certificate|server gave http response to https client|first record does not look like a tls handshake|\btls: `)},
	{"RegistryUnreachable", regexp.MustCompile(`(?i)no such host|server misbehaving|temporary failure in name resolution|i/o timeout|connection refused|connection reset|no route to host|network is unreachable|deadline exceeded|client\.timeout|tls handshake timeout|request canceled|\beof\b|proxyconnect|\b50[0-4]\b|registryunavailable|registry is unavailable`)},
	{"ImageUnpackFailed", regexp.MustCompile(`(?i)no space left|failed to extract|\bunpack(ing)?\b|input/output error|schema 1 .*no longer supported|read-only file system|disk quota exceeded|failed to register layer|error processing tar file`)},
	{"ImagePullDenied", regexp.MustCompile(`(?i)unauthorized|\b40[13]\b|forbidden|\bdenied\b|insufficient_scope|no basic auth credentials|failed to fetch (anonymous|oauth) token|authentication required|unauthenticated|permissiondenied|invalid username/password`)},
	{"ImageNotFound", regexp.MustCompile(`(?i)manifest unknown|name unknown|manifest invalid|not ?found|\b404\b|does not exist`)},
	{"ImageNeverPull", regexp.MustCompile(`(?i)errimageneverpull|not present with pull policy of never`)},
	{"ImageInspectFailed", regexp.MustCompile(`(?i)imageinspecterror|failed to inspect image`)},
}

var (
	pullWrapper = regexp.MustCompile(`(?i)back-off pulling image "[^"]*":? ?|errimagepull: ?|imagepullbackoff: ?|signaturevalidationfailed: ?|failed to pull image "[^"]*": ?|failed to pull and unpack image "[^"]*": ?|failed to resolve (reference|image)( "[^"]*")?: ?|rpc error: code = \w+ desc = |error response from daemon: ?|unable to pull image or oci artifact: ?|pull image err: ?|initializing source [^ ]+: |reading manifest [^ ]+ in [^ ]+: `)
	// artifact is CRI-O's second attempt, which repeats the words of the first.
	artifact = regexp.MustCompile(`(?i); artifact err: .*$`)
	pullCode = regexp.MustCompile(`rpc error: code = (\w+)`)
	urls     = regexp.MustCompile(`"?https?://[^\s"]+"?`)
	// query is the part of an address that may be signed.
	query = regexp.MustCompile(`(https?://[^\s"?]+)\?[^\s":]*`)
)

// imageReasonCodes are the reasons that need no text.
var imageReasonCodes = map[string]string{
	"InvalidImageName": "ImageNameInvalid", "ErrImageNeverPull": "ImageNeverPull", "ImageInspectError": "ImageInspectFailed",
	"SignatureValidationFailed": "ImageSignatureRejected", "RegistryUnavailable": "RegistryUnreachable",
}

// ImageCode decodes a pull error. The image's own name is taken out first: a repository may be called "forbidden".
func ImageCode(reason, text, image string) string {
	if code := imageReasonCodes[reason]; code != "" {
		return code
	}
	grpc := ""
	if m := pullCode.FindStringSubmatch(text); m != nil && m[1] != "Unknown" {
		grpc = m[1]
	}
	text = strings.ReplaceAll(urls.ReplaceAllString(text, "URL"), image, "IMAGE")
	if at := strings.LastIndexAny(image, ":@"); at > 0 {
		text = strings.ReplaceAll(text, image[:at], "IMAGE")
	}
	// The wrappers say "unpack" even if it never came to that.
	text = reason + " " + grpc + " " + pullWrapper.ReplaceAllString(text, "")
	for _, t := range imageTests {
		if t.text.MatchString(text) {
			return t.code
		}
	}
	return "ImagePullFailed"
}

// PullWords is the innermost part of a pull error.
func PullWords(text string) string {
	words := strings.Trim(pullWrapper.ReplaceAllString(artifact.ReplaceAllString(text, ""), ""), ": ")
	if words == "" {
		return "no reason given"
	}
	return wording.Quote(query.ReplaceAllString(words, "$1"))
}

// SaysNothing reports whether the text of a pull error only says that there was one.
func SaysNothing(text string) bool { return pullWrapper.ReplaceAllString(text, "") == "" }

// Registry is the host part of an image name; Docker Hub when it has none.
func Registry(image string) string {
	host, _, found := strings.Cut(image, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host
	}
	return "docker.io"
}
