package messages

import "regexp"

// What controllers write before the API server's words (pkg/controller/controller_utils.go, CreatePods;
// statefulset/stateful_pod_control.go; deployment/sync.go, getNewReplicaSet), and the name in these that a failed attempt
// would have given to its pod.
var (
	createPrefix = regexp.MustCompile(`^(?:Error creating: |[Cc]reate (?:Claim \S+ for )?Pod \S+ in StatefulSet \S+ failed error: (?:[Ff]ailed to create PVC \S+: )?|Failed to create new replica set "[^"]*": )`)
	claimPrefix  = regexp.MustCompile(`^[Cc]reate Claim |[Ff]ailed to create PVC `)
	podName      = regexp.MustCompile(`pods? "[^"]+"( is)? ?`)
)

// CreateFailure is what a controller says when the API server refuses what it wants to make.
type CreateFailure struct {
	Answer string // the API server's words
	Claim  bool   // they are about a claim of a StatefulSet
}

// ParseCreateFailure takes the text of an event FailedCreate apart, or that of a condition.
func ParseCreateFailure(text string) CreateFailure {
	return CreateFailure{Answer: createPrefix.ReplaceAllString(text, ""), Claim: claimPrefix.MatchString(text)}
}

// WithoutPodName takes the pod's name out of the API server's words: it is a new one at each attempt.
func WithoutPodName(answer string) string { return podName.ReplaceAllString(answer, "") }
