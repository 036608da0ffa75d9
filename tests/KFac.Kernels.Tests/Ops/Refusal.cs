using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Calls that must be refused without touching their outputs.</summary>
internal static class Refusal
{
    /// <summary>The call throws an <see cref="ArgumentException"/> and the poisoned output stays as it was.</summary>
    public static void Of(Action call, params GuardedMatrix<float>[] outputs)
    {
        float[][] before = [.. outputs.Select(o => o.Read())];
        Assert.ThrowsAny<ArgumentException>(call);
        for (int i = 0; i < outputs.Length; i++)
        {
            Assert.Equal(before[i], outputs[i].Read());
        }
    }

    /// <summary>The call refuses views of an arena that was reset, and of one that was disposed.</summary>
    public static void OfStaleViews(Arena arena, Action call)
    {
        arena.Reset();
        Assert.Throws<InvalidOperationException>(call);
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(call);
    }
}
