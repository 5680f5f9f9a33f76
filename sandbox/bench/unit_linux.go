package main

// maxrssUnit is what getrusage(2) counts memory in.
const maxrssUnit = 1024
