using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Every case on every device.</summary>
internal static class DeviceCases
{
    /// <summary>Rows of a device's key and a case's name.</summary>
    public static TheoryData<string, string> Of(IReadOnlyList<string> names)
    {
        var cases = new TheoryData<string, string>();
        foreach (string key in TestDevice.Keys)
        {
            foreach (string name in names)
            {
                cases.Add(key, name);
            }
        }

        return cases;
    }
}
