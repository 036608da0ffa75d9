using System.Xml.Linq;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>Project files refer to each other in one direction: Kernels ← Engine ← Nn ← Cli.</summary>
public sealed class ProjectReferenceTests
{
    [Fact]
    public void Projects_of_src_refer_only_to_projects_below_them()
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Repository.Root, "src"), "*.csproj", SearchOption.AllDirectories))
        {
            string project = Path.GetFileNameWithoutExtension(path);
            Assert.True(Repository.AllowedDependencies.ContainsKey(project), $"{project} has no place in the order of dependencies.");
            Assert.Empty(Forbidden(project, XDocument.Load(path)));
        }
    }

    [Fact]
    public void The_reference_refers_to_nothing()
    {
        XDocument project = XDocument.Load(Path.Combine(Repository.Root, "tests/KFac.Reference/KFac.Reference.csproj"));
        Assert.Empty(References(project));
        Assert.Empty(project.Descendants("Compile"));
    }

    [Fact]
    public void The_test_support_refers_only_to_the_reference_and_the_kernels()
    {
        XDocument project = XDocument.Load(Path.Combine(Repository.Root, "tests/KFac.Testing/KFac.Testing.csproj"));
        Assert.Equal(["KFac.Kernels", "KFac.Reference"], References(project).Order());
    }

    [Theory]
    [InlineData("KFac.Kernels", "../KFac.Engine/KFac.Engine.csproj")]
    [InlineData("KFac.Engine", "..\\KFac.Nn\\KFac.Nn.csproj")]
    [InlineData("KFac.Nn", "../../tests/KFac.Testing/KFac.Testing.csproj")]
    public void A_planted_reference_in_the_wrong_direction_is_found(string project, string reference)
    {
        XDocument document = XDocument.Parse($"<Project><ItemGroup><ProjectReference Include=\"{reference}\" /></ItemGroup></Project>");
        Assert.Single(Forbidden(project, document));
    }

    private static IEnumerable<string> Forbidden(string project, XDocument document) =>
        References(document).Except(Repository.AllowedDependencies[project]);

    private static IEnumerable<string> References(XDocument document) =>
        document.Descendants("ProjectReference")
            .Select(static reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value.Replace('\\', '/')));
}
