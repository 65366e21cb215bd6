//go:build small

package main

func etsCommand() []command { return nil }
