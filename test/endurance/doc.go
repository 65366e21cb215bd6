// Package endurance holds the tests that run for long: the agent killed at any instant, over and over, and the agent at work without a
// pause. They run with the build tag soak, by ./dev soak; LWM2M_SOAK_ENDURANCE says for how long each of them, 20 minutes if not set.
package endurance
