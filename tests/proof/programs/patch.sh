patch out/text <in/text.patch
patch -b half/text <in/text.patch
patch in/text <in/text.patch
