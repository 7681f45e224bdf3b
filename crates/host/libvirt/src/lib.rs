//! The driver for QEMU and KVM through libvirt.
