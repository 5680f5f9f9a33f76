// Package notice tells people of a run: in a chat, by mail, or by a request to a server of theirs.
//
// Takes: the notify: part of a config file, events of a run and its report, both without secrets. Returns: the error of
// those who could not be told. Never: keeps a run waiting, changes how it ends, writes an address or a secret into an
// error, follows a redirect to another host, or reads more of an answer than its beginning.
package notice
