/*
 * Every resource type: RESOURCE(name, version).
 *
 * The version is part of the type's name in the emulator. A library that changes the layout behind a
 * type raises its version: the old library then stays loaded until its last handle is gone, instead of
 * the new one misreading the old one's memory. Types of equal version are taken over at an upgrade.
 */

RESOURCE(atomics, 1)
