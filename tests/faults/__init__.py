"""Every fault a provider can play, against every channel, and workers that die meanwhile: nothing comes twice."""
