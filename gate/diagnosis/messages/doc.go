// Package messages reads what other programs write for people: the refusals of the API server, its admission plugins, the
// scheduler and the kubelet, the pull errors of container runtimes, and the logs of programs with the traces of their
// languages.
//
// Takes: text, as an event, a status or a log has it. Returns: structs, and codes of causes where the text alone decides.
// Never: knows the objects that the text is about.
//
// The words change from version to version. Each grammar names the source that it was written from and searches for what
// has stayed the same; what it does not know stays as it is.
package messages
