//go:build small

package main

func demoCommand() []command { return nil }
